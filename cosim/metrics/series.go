package metrics

import "math"

const (
	firstBatch = 5    // values per batch at first, as MSER-5 wants
	maxBatches = 4096 // even, so that batches can be joined in pairs
	minBatches = 32   // fewest batch means an interval is made from
)

// Series accumulates successive, possibly correlated observations of one
// stationary run, e.g. the response times in seconds in order of completion, in
// constant memory: up to 4096 batches, which double in size when they are full.
// The zero value is empty and ready. It is not safe for concurrent use.
type Series struct {
	batches []batch // complete, each of size values
	size    int64
	open    batch // batch being filled
}

// batch is the mean and the sum of squared deviations of n values. While it is
// filled, mean and squares are sums relative to its first value instead.
type batch struct {
	n             int64
	mean, squares float64
	first         float64
}

// Add appends one observation.
func (s *Series) Add(x float64) {
	b := &s.open
	if b.n == 0 {
		b.first = x
	}
	d := x - b.first
	b.n++
	b.mean += d
	b.squares += d * d
	if b.n >= s.size {
		s.closeBatch()
	}
}

func (s *Series) closeBatch() {
	if s.size == 0 { // first observation
		s.size = firstBatch
		return
	}
	s.batches = append(s.batches, s.open.finished())
	s.open = batch{}
	if len(s.batches) == maxBatches {
		s.batches = joinPairs(s.batches, s.batches[:0])
		s.size *= 2
	}
}

func (b batch) finished() batch {
	if b.n == 0 {
		return b
	}
	n := float64(b.n)
	return batch{n: b.n, mean: b.first + b.mean/n, squares: max(0, b.squares-b.mean*b.mean/n)}
}

// join combines two batches: Chan, Golub and LeVeque, The American Statistician
// 37 (1983), formula (1.5).
func join(a, b batch) batch {
	if a.n == 0 || b.n == 0 {
		return batch{n: a.n + b.n, mean: a.mean + b.mean, squares: a.squares + b.squares}
	}
	n, d := float64(a.n+b.n), b.mean-a.mean
	return batch{
		n:       a.n + b.n,
		mean:    a.mean + d*float64(b.n)/n,
		squares: a.squares + b.squares + d*d*float64(a.n)*float64(b.n)/n,
	}
}

// joinPairs appends the joined pairs of batches to into; the first batch is left
// out where their number is odd.
func joinPairs(batches, into []batch) []batch {
	for i := len(batches) % 2; i < len(batches); i += 2 {
		into = append(into, join(batches[i], batches[i+1]))
	}
	return into
}

func joinAll(batches []batch) batch {
	switch len(batches) {
	case 0:
		return batch{}
	case 1:
		return batches[0]
	}
	half := len(batches) / 2
	return join(joinAll(batches[:half]), joinAll(batches[half:]))
}

func (s *Series) total() batch { return join(joinAll(s.batches), s.open.finished()) }

// Count returns the number of observations.
func (s *Series) Count() int64 { return int64(len(s.batches))*s.size + s.open.n }

// Mean returns the mean of all observations, warm-up included; NaN when empty.
func (s *Series) Mean() float64 {
	if s.Count() == 0 {
		return math.NaN()
	}
	return s.total().mean
}

// Variance returns the unbiased sample variance of all observations; NaN for
// fewer than two.
func (s *Series) Variance() float64 {
	if s.Count() < 2 {
		return math.NaN()
	}
	return s.total().squares / float64(s.Count()-1)
}

// WarmUp returns how many observations at the start belong to the warm-up, by
// MSER-5: the truncation that minimizes the variance of the mean of the rest
// (White, Simulation 69 (1997) 323-334), on the batches, which hold 5 values up
// to 20 480 observations and more in longer series. settled is false where that
// point lies beyond half of the run or where there are too few batches: then the
// run is too short to tell warm-up from steady state.
func (s *Series) WarmUp() (observations int64, settled bool) {
	const tail = 5 // the last batches alone say nothing about variance
	k := len(s.batches)
	if k < minBatches {
		return 0, false
	}
	var best int
	least := math.Inf(1)
	var rest batch // of the batch means from d on, as if each were one value
	for d := k - 1; d >= 0; d-- {
		rest = join(batch{n: 1, mean: s.batches[d].mean}, rest)
		n := float64(rest.n)
		if z := rest.squares / (n * n); d < k-tail && z <= least {
			best, least = d, z
		}
	}
	return int64(best) * s.size, best <= k/2
}
