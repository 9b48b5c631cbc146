package kubernetes

import "math/rand/v2"

// fixedStream is a stream of random numbers that is the same in every run.
func fixedStream() source { return rand.New(rand.NewPCG(1, 2)) }
