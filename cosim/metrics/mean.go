package metrics

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// MeanOf estimates the mean of independent, identically distributed values, one
// of each replication, by Student's t with len(values)−1 degrees of freedom (Law,
// Simulation Modeling and Analysis, 5th ed., section 9.4.1). level is the
// confidence level, e.g. 0.95.
func MeanOf(values []float64, level float64) Estimate {
	return meanOf(values, level, MethodReplications)
}

// PairedDifference estimates the mean of a[i] − b[i], where replication i of both
// ran under common random numbers, by Student's t on the differences (Law,
// section 10.2.1).
func PairedDifference(a, b []float64, level float64) Estimate {
	return Contrast([]float64{1, -1}, [][]float64{a, b}, level)
}

// Contrast estimates the mean of Σ_j weights[j]·runs[j][i] over the replications
// i, all of which ran under common random numbers. The weights 1, −1, −1, 1 give
// a difference of differences.
func Contrast(weights []float64, runs [][]float64, level float64) Estimate {
	if len(runs) == 0 || len(weights) != len(runs) {
		return NotEstimable(math.NaN(), 0, MethodPaired, fmt.Sprintf("%d weights for %d runs", len(weights), len(runs)))
	}
	combined := make([]float64, len(runs[0]))
	for j, run := range runs {
		if len(run) != len(combined) {
			return NotEstimable(math.NaN(), 0, MethodPaired, "the runs have different numbers of replications")
		}
		for i, v := range run {
			combined[i] += float64(weights[j] * v) // rounded here: fusing would make a − a differ from 0
		}
	}
	return meanOf(combined, level, MethodPaired)
}

func meanOf(values []float64, level float64, method string) Estimate {
	n := int64(len(values))
	mean, variance := moments(values)
	switch {
	case !validLevel(level):
		return NotEstimable(mean, n, method, badLevel(level))
	case n < 2:
		return NotEstimable(mean, n, method, fmt.Sprintf("needs at least 2 replications, has %d", n))
	case math.IsNaN(mean) || math.IsInf(mean, 0):
		return NotEstimable(math.NaN(), n, method, "a replication has no value")
	}
	half := tQuantile(1-(1-level)/2, float64(n-1)) * math.Sqrt(variance/float64(n))
	return interval(mean, mean-half, mean+half, n, method)
}

// interval is an estimate that stands, provided that it is finite.
func interval(est, lo, hi float64, n int64, method string) Estimate {
	e := Estimate{Est: est, Lo: lo, Hi: hi, N: n, Method: method, Status: StatusOK}
	if finite(est) == nil || finite(lo) == nil || finite(hi) == nil {
		return NotEstimable(est, n, method, "the interval is not finite")
	}
	return e
}

// moments returns mean and unbiased variance in two passes, so that a large mean
// does not drown a small variance and equal values have variance 0.
func moments(values []float64) (mean, variance float64) {
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	n := float64(len(values))
	for _, v := range values {
		mean += v - values[0]
	}
	mean = values[0] + mean/n
	for _, v := range values {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / (n - 1)
}

func validLevel(level float64) bool { return level > 0 && level < 1 }

func badLevel(level float64) string {
	return fmt.Sprintf("the confidence level must lie between 0 and 1, is %v", level)
}

// tQuantile is the p-quantile of Student's t.
func tQuantile(p, degrees float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: degrees}.Quantile(p)
}
