//! Trains and runs a DCGAN on the CPU, with every gradient written by hand.
