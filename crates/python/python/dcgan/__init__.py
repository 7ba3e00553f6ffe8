from dcgan._dcgan import *
