// Package synth makes requests that nobody can predict, for any plugin, from its Description alone.
//
// It is pure: randomness, pictures and words are handed in, and the same state of the random numbers gives the same request. Where pictures come
// from is behind Source; what draws them from the network or from earlier results lives in host/validator.
package synth
