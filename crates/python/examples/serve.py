"""Faces by HTTP with FastAPI. Usage: MODEL=generator.pt uvicorn serve:app; then open /face.png?seed=7."""

import os

import dcgan
from fastapi import FastAPI, Query, Response

app = FastAPI()
generator = dcgan.load(os.environ["MODEL"])


# A plain function: FastAPI calls it on a thread, and the generator leaves the GIL to other requests.
@app.get("/face.png")
def face(seed: int = 0, trunc: float = Query(1.0, ge=0, le=10)) -> Response:
    """Return the face of a seed as a PNG file."""
    png = generator.faces(seed, trunc=trunc)[0]._repr_png_()
    return Response(png, media_type="image/png")
