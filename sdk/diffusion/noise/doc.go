// Package noise gives the random numbers that PyTorch gives for the same seed, so that a seed makes the same picture as in
// Python.
//
// Torch is the generator of torch on the CPU, Philox the one on CUDA. Both are deterministic, for pictures and not for secrets,
// and not safe for concurrent use.
package noise
