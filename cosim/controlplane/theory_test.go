package controlplane_test

// lossOf is the share of arrivals that find M/M/c/K full, where calls arrive at the
// rate a in units of the mean service time: Kleinrock, Queueing Systems vol. 1,
// section 3.7.

func lossOf(c, k int, a float64) float64 {
	p := stationary(c, k, a)
	return p[k]
}

// stationary is the distribution of the number of calls in M/M/c/K.
func stationary(c, k int, a float64) []float64 {
	p := make([]float64, k+1)
	p[0] = 1
	sum := 1.0
	for n := 1; n <= k; n++ {
		p[n] = p[n-1] * a / float64(min(n, c))
		sum += p[n]
	}
	for n := range p {
		p[n] /= sum
	}
	return p
}

// allBusy is the probability that a call finds every one of the cores busy, where a
// of them are on average: Erlang C, Kleinrock, section 3.4, from Erlang B by its
// recursion.
func allBusy(cores int, a float64) float64 {
	b := 1.0
	for n := 1; n <= cores; n++ {
		b = a * b / (float64(n) + a*b)
	}
	rho := a / float64(cores)
	return b / (1 - rho + rho*b)
}
