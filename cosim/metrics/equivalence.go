package metrics

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// PairedEquivalence tests the hypothesis that the mean of a differs from the mean
// of b by more than the share margin of it, where replication i of both ran under
// common random numbers, by two one-sided paired t tests of a[i] − (1 ± margin)·b[i]
// (TOST: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987)
// 657-680). A small P shows that they are equivalent; Statistic is mean(a)/mean(b).
// The mean of b must be positive.
func PairedEquivalence(a, b []float64, margin float64) (Comparison, error) {
	switch {
	case !(margin > 0 && margin < 1):
		return Comparison{}, fmt.Errorf("equivalence: the margin must lie between 0 and 1, is %v", margin)
	case len(a) != len(b) || len(a) < 2:
		return Comparison{}, fmt.Errorf("equivalence: needs at least 2 pairs, has %d and %d values", len(a), len(b))
	}
	reference, _ := moments(b)
	if !(reference > 0) {
		return Comparison{}, fmt.Errorf("equivalence: the mean of the reference must be positive, is %v", reference)
	}
	mean, _ := moments(a)
	p := max(above(a, b, 1-margin, 1), above(a, b, 1+margin, -1))
	return Comparison{Statistic: mean / reference, P: p, Method: "two one-sided paired t"}, nil
}

// above is the probability of a t as large as that of sign·(a[i] − factor·b[i])
// where its expectation is 0.
func above(a, b []float64, factor, sign float64) float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = sign * (a[i] - float64(factor*b[i]))
	}
	mean, variance := moments(d)
	switch {
	case variance > 0:
	case mean > 0:
		return 0
	default:
		return 1
	}
	n := float64(len(d))
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Survival(mean / math.Sqrt(variance/n))
}
