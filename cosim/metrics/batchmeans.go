package metrics

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// correlated is the level of the von Neumann test below which the batch means of
// a run are taken to be correlated. A lesser correlation is corrected for, so
// that sound runs are refused once in a hundred.
const correlated = .01

// EstimateMean estimates the steady-state mean of the run. The warm-up is left
// out; non-overlapping batches are grown until 32 to 63 are left; where the von
// Neumann test finds their means correlated even so, the run is too short and has
// no interval. The interval is Student's t on the batch means, corrected for
// their skewness and for what is left of their correlation as in Skart
// (Tafazzoli and Wilson, IIE Transactions 43 (2011) 110-128), which keeps its
// coverage in runs of some hundred autocorrelation times.
func (s *Series) EstimateMean(level float64) Estimate {
	b, reason := s.steady()
	if !validLevel(level) {
		reason = badLevel(level)
	}
	if reason != "" {
		return NotEstimable(s.Mean(), s.Count(), MethodBatchMeans, reason)
	}
	quantile := tQuantile(1-(1-level)/2, float64(b.count-1))
	standardError := math.Sqrt(b.inflation * b.variance / float64(b.count))
	lo := b.mean - b.unskewed(quantile)*standardError
	hi := b.mean - b.unskewed(-quantile)*standardError
	return interval(b.mean, lo, hi, int64(b.count)*b.size, MethodBatchMeans)
}

// AutocorrelationTime returns τ = m·Var(means of batches of m)/Var(observations)
// in steady state, at least 1: n observations tell as much about the mean as n/τ
// independent ones. Its relative standard error is about a fifth. It is NaN where
// EstimateMean has no interval.
func (s *Series) AutocorrelationTime() float64 {
	b, reason := s.steady()
	switch {
	case reason != "":
		return math.NaN()
	case b.within == 0:
		return 1
	}
	return max(1, b.inflation*b.variance*float64(b.size)/b.within)
}

// batchMeans is what the batch means of a run in steady state tell.
type batchMeans struct {
	count     int   // batches
	size      int64 // observations per batch
	mean      float64
	variance  float64 // between the batch means
	skewness  float64 // of the batch means
	inflation float64 // of the variance of their mean by what correlation is left, >= 1
	within    float64 // variance of the single observations
}

// steady groups the run after its warm-up into 32 to 63 batches, or gives the
// reason why it cannot.
func (s *Series) steady() (b batchMeans, reason string) {
	warmUp, settled := s.WarmUp()
	switch {
	case len(s.batches) < minBatches:
		return b, fmt.Sprintf("needs at least %d observations, has %d", minBatches*firstBatch, s.Count())
	case !settled:
		return b, fmt.Sprintf("the run is too short: its warm-up (MSER-5) ends at observation %d of %d, beyond half; run longer", warmUp, s.Count())
	}
	batches := s.batches[warmUp/s.size:]
	if len(batches) < minBatches {
		return b, fmt.Sprintf("needs at least %d observations after the warm-up, has %d", minBatches*firstBatch, s.Count()-warmUp)
	}
	for len(batches) >= 2*minBatches {
		batches = joinPairs(batches, nil)
	}
	means := make([]float64, len(batches))
	for i, batch := range batches {
		means[i] = batch.mean
	}
	all := joinAll(batches)
	b = batchMeans{count: len(batches), size: batches[0].n, mean: all.mean, within: all.squares / float64(all.n-1)}
	_, b.variance = moments(means)
	if b.variance == 0 {
		b.inflation = 1
		return b, ""
	}
	if vonNeumann(means) > distuv.UnitNormal.Quantile(1-correlated) {
		return b, fmt.Sprintf("the run is too short: the means of %d batches are still correlated after %d observations; run longer", b.count, s.Count())
	}
	lag1 := lagOne(means)
	b.inflation = max(1, (1+lag1)/(1-lag1)) // of a first-order autoregression, as in Skart
	b.skewness = skewness(means)
	return b, ""
}

// unskewed is Willink's transformation of a t quantile by the skewness B of k
// means: ((1 + 6β(z − β))^(1/3) − 1)/2β with β = B/6√k (Communications in
// Statistics, Theory and Methods 34 (2005) 753-766). Without skewness it is z.
func (b batchMeans) unskewed(z float64) float64 {
	beta := b.skewness / (6 * math.Sqrt(float64(b.count)))
	if math.Abs(beta) < 1e-6 {
		return z // the limit; the formula cancels here
	}
	return (math.Cbrt(1+6*beta*(z-beta)) - 1) / (2 * beta)
}

// vonNeumann returns a statistic that is standard normal where neighbours in y
// are independent, and large where they are positively correlated:
//
//	C = 1 − Σ(y_i − y_{i+1})² / 2Σ(y_i − ȳ)²
//
// over its standard deviation √((k−2)/(k²−1)) (von Neumann, Annals of
// Mathematical Statistics 12 (1941) 367-395; Fishman, Management Science 24
// (1978) 510-521).
func vonNeumann(y []float64) float64 {
	k := float64(len(y))
	_, variance := moments(y)
	if variance == 0 {
		return 0
	}
	var differences float64
	for i := range y[1:] {
		d := y[i+1] - y[i]
		differences += d * d
	}
	return (1 - differences/(2*variance*(k-1))) / math.Sqrt((k-2)/(k*k-1))
}

// lagOne is the sample correlation of neighbours, which lies within (−1, 1).
func lagOne(y []float64) float64 {
	mean, variance := moments(y)
	var products float64
	for i := range y[1:] {
		products += (y[i] - mean) * (y[i+1] - mean)
	}
	return products / (variance * float64(len(y)-1))
}

// skewness is the sample skewness with the factor k²/((k−1)(k−2)), unbiased in
// the third moment.
func skewness(y []float64) float64 {
	mean, variance := moments(y)
	k := float64(len(y))
	var cubes float64
	for _, v := range y {
		cubes += math.Pow((v-mean)/math.Sqrt(variance), 3)
	}
	return cubes * k / ((k - 1) * (k - 2))
}
