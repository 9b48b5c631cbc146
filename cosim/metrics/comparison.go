package metrics

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Comparison is the result of a test of two samples: the smaller P, the less
// does the hypothesis that the test names agree with them.
type Comparison struct {
	Statistic float64 `json:"statistic"` // see the test
	P         float64 `json:"p"`         // p-value
	Method    string  `json:"method"`
}

// Holm returns the p-values of a family of tests adjusted so that deciding each
// at level α keeps the probability of any false rejection below α (Holm,
// Scandinavian Journal of Statistics 6 (1979) 65-70). The order is that of p.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	adjusted := make([]float64, len(p))
	var least float64
	for rank, i := range order {
		least = max(least, min(1, float64(len(p)-rank)*p[i]))
		adjusted[i] = least
	}
	return adjusted
}

// WelchT tests the hypothesis that the means of two samples are equal, against
// either being the greater, without assuming equal variances (Welch, Biometrika
// 34 (1947) 28-35). Statistic is t, positive where x is the greater.
func WelchT(x, y []float64) (Comparison, error) {
	w, err := newWelch(x, y, 1)
	if err != nil {
		return Comparison{}, err
	}
	t := w.t(0)
	return Comparison{Statistic: t, P: min(1, 2*w.above(math.Abs(t))), Method: "Welch t"}, nil
}

// WelchDifference estimates the mean of x minus the mean of y, two independent
// samples of possibly unequal variances, by Welch's t.
func WelchDifference(x, y []float64, level float64) Estimate {
	n := int64(len(x) + len(y))
	w, err := newWelch(x, y, 1)
	switch {
	case err != nil:
		return NotEstimable(math.NaN(), n, MethodWelch, err.Error())
	case !validLevel(level):
		return NotEstimable(w.difference, n, MethodWelch, badLevel(level))
	case w.deviation == 0:
		return interval(w.difference, w.difference, w.difference, n, MethodWelch)
	}
	half := tQuantile(1-(1-level)/2, w.degrees) * w.deviation
	return interval(w.difference, w.difference-half, w.difference+half, n, MethodWelch)
}

// Equivalence tests the hypothesis that the mean of x differs from the mean of y
// by more than the share margin of it, e.g. 0.03, by two one-sided Welch tests of
// mean(x) − (1 ± margin)·mean(y), which count the uncertainty of the reference y,
// too (TOST: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15
// (1987) 657-680; on ratios: Sasabuchi, Biometrika 67 (1980) 429-439). A small P
// shows that they are equivalent; Statistic is mean(x)/mean(y). The mean of y must
// be positive.
func Equivalence(x, y []float64, margin float64) (Comparison, error) {
	if !(margin > 0 && margin < 1) {
		return Comparison{}, fmt.Errorf("equivalence: the margin must lie between 0 and 1, is %v", margin)
	}
	low, err := newWelch(x, y, 1-margin)
	if err != nil {
		return Comparison{}, err
	}
	high, err := newWelch(x, y, 1+margin)
	if err != nil {
		return Comparison{}, err
	}
	reference, _ := moments(y)
	if !(reference > 0) {
		return Comparison{}, fmt.Errorf("equivalence: the mean of the reference must be positive, is %v", reference)
	}
	mean, _ := moments(x)
	p := max(low.above(low.t(0)), high.above(-high.t(0)))
	return Comparison{Statistic: mean / reference, P: p, Method: "two one-sided Welch t"}, nil
}

// welch is the difference mean(x) − factor·mean(y) with its standard error and
// the degrees of freedom by Welch and Satterthwaite.
type welch struct {
	difference, deviation, degrees float64
}

func newWelch(x, y []float64, factor float64) (welch, error) {
	if err := checkSamples(x, y, 2); err != nil {
		return welch{}, err
	}
	meanX, varianceX := moments(x)
	meanY, varianceY := moments(y)
	n, m := float64(len(x)), float64(len(y))
	a, b := varianceX/n, factor*factor*varianceY/m
	return welch{
		difference: meanX - factor*meanY,
		deviation:  math.Sqrt(a + b),
		degrees:    (a + b) * (a + b) / (a*a/(n-1) + b*b/(m-1)),
	}, nil
}

// t is the distance of the difference from d in standard errors; infinite where
// there is no scatter, 0 where there is no distance either.
func (w welch) t(d float64) float64 {
	if w.difference == d {
		return 0
	}
	return (w.difference - d) / w.deviation
}

// above is the probability that Student's t exceeds t.
func (w welch) above(t float64) float64 {
	switch {
	case math.IsInf(t, 1):
		return 0
	case math.IsInf(t, -1):
		return 1
	case w.deviation == 0:
		return .5
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: w.degrees}.Survival(t)
}

func checkSamples(x, y []float64, least int) error {
	if len(x) < least || len(y) < least {
		return fmt.Errorf("compare two samples: need at least %d values in each, have %d and %d", least, len(x), len(y))
	}
	for _, v := range slices.Concat(x, y) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("compare two samples: %v is not a finite value; leave out what was not measured", v)
		}
	}
	return nil
}
