"""PyTorch's DCGAN tutorial in ten lines. Usage: tutorial.py [PICTURES]; without a folder, on built-in faces."""

import sys

import dcgan

pictures = sys.argv[1] if len(sys.argv) > 1 else dcgan.demo_faces(4096)
run = dcgan.train(pictures, epochs=5, seed=999, progress=True)
for step in run.metrics()[::50]:
    print("[{epoch}][{step}] Loss_D {d_loss_real:.4f} + {d_loss_fake:.4f} Loss_G {g_loss:.4f}".format(**step))
run.generator.faces(range(64)).save("faces.png")
run.generator.save("generator.pt")  # for torch.jit.load
