package policy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

// HybridHistogram learns how long a function is idle between two calls: it takes
// the sandboxes away, starts one shortly before the next call is due and keeps
// it until the call is late (Shahrad et al., Serverless in the Wild, ATC 2020,
// section 4.2). Until it has learned, and where the idle times show no pattern,
// sandboxes stay for the histogram's range; where most idle times lie beyond the
// range it forecasts the next one from the last by autoregression, in the place
// of the paper's ARIMA model.
type HybridHistogram struct {
	// Bin is the width of the histogram's bins.
	Bin time.Duration `yaml:"bin" range:"1ns.."`
	// Range is what the histogram covers.
	Range time.Duration `yaml:"range" range:"1ns.."`
	// Head is the quantile of idle times before which a sandbox is started.
	Head float64 `yaml:"head" range:"0..1"`
	// Tail is the quantile of idle times until which it stays.
	Tail float64 `yaml:"tail" range:"0..1"`
	// Margin widens the window between them on either side.
	Margin float64 `yaml:"margin" range:"0..1"`
	// MinCV is the coefficient of variation of the bins below which they show no pattern.
	MinCV float64 `yaml:"min-cv" range:"0..1000"`
	// MaxOutside is the share of idle times beyond the range from which on they are forecast.
	MaxOutside float64 `yaml:"max-outside" range:"0..1"`
	// MinSamples is how many idle times it wants to have seen.
	MinSamples int `yaml:"min-samples" range:"1..1000000"`
	// ForecastMargin widens the window around a forecast on either side.
	ForecastMargin float64 `yaml:"forecast-margin" range:"0..1"`
}

// maxBins bounds the histogram that each function has.
const maxBins = 100_000

// Validate reports parameters that contradict each other. One that is out of its
// own range is for others to report.
func (p HybridHistogram) Validate() error {
	switch {
	case p.Bin < 1:
		return nil
	case p.Range < p.Bin:
		return fmt.Errorf("the range, %v, is shorter than one bin, %v", p.Range, p.Bin)
	case p.Range/p.Bin >= maxBins:
		return fmt.Errorf("the range, %v, has %d bins of %v: take wider ones, at most %d", p.Range, p.Range/p.Bin, p.Bin, maxBins)
	case p.Head > p.Tail:
		return fmt.Errorf("head, %g, lies behind tail, %g", p.Head, p.Tail)
	}
	return nil
}

// KeepAlive implements Keeping.
func (p HybridHistogram) KeepAlive(*rand.Rand) cluster.KeepAlive {
	return &hybridHistogram{HybridHistogram: p, bins: make([]float64, max(1, (p.Range+p.Bin-1)/p.Bin))}
}

type hybridHistogram struct {
	HybridHistogram
	bins    []float64
	inside  float64
	squares float64 // of the bins
	outside float64
	gaps    autoregression

	idleSince des.Time
	known     bool // idleSince is
}

// Arrived implements cluster.ArrivalWatcher.
func (k *hybridHistogram) Arrived(f *cluster.Function, now des.Time) {
	if f.InSystem() > 0 || !k.known {
		return
	}
	gap := now.Sub(k.idleSince)
	k.gaps.add(gap.Seconds())
	i := int(gap / k.Bin)
	if i >= len(k.bins) {
		k.outside++
		return
	}
	k.squares += 2*k.bins[i] + 1
	k.bins[i]++
	k.inside++
}

// Idle implements cluster.KeepAlive.
func (k *hybridHistogram) Idle(s *cluster.Sandbox, now des.Time) time.Duration {
	from, until := k.window()
	if !s.Called() {
		return until - from // started ahead of its call
	}
	if s.Function().InSystem() == 0 {
		k.idleSince, k.known = now, true
		if from > 0 {
			return 0 // another one will be started in time
		}
	}
	return until
}

// Review implements cluster.KeepAlive.
func (*hybridHistogram) Review(*cluster.Sandbox, des.Time) time.Duration { return 0 }

// PreWarm implements cluster.PreWarmer.
func (k *hybridHistogram) PreWarm(*cluster.Function, des.Time) time.Duration {
	if from, _ := k.window(); from > 0 {
		return from
	}
	return cluster.Unlimited
}

// window returns from when to when after a call a sandbox is to be there.
func (k *hybridHistogram) window() (from, until time.Duration) {
	total := k.inside + k.outside
	switch {
	case total < float64(k.MinSamples):
		return 0, k.Range
	case k.outside >= k.MaxOutside*total:
		next := k.gaps.forecast()
		return seconds(next * (1 - k.ForecastMargin)), seconds(next * (1 + k.ForecastMargin))
	case k.variation() < k.MinCV:
		return 0, k.Range
	}
	from = time.Duration(k.quantile(k.Head)) * k.Bin
	until = time.Duration(k.quantile(k.Tail)+1) * k.Bin
	return seconds(from.Seconds() * (1 - k.Margin)), seconds(until.Seconds() * (1 + k.Margin))
}

func seconds(x float64) time.Duration { return time.Duration(math.Round(x * 1e9)) }

// variation returns the coefficient of variation of the bins.
func (k *hybridHistogram) variation() float64 {
	n := float64(len(k.bins))
	mean := k.inside / n
	return math.Sqrt(max(0, k.squares/n-mean*mean)) / mean
}

// quantile returns the bin in which the q-quantile lies.
func (k *hybridHistogram) quantile(q float64) int {
	want, seen := q*k.inside, 0.
	for i, count := range k.bins {
		if seen += count; seen >= want && count > 0 {
			return i
		}
	}
	return len(k.bins) - 1
}

// autoregression fits x(i+1) = a + b·x(i) by least squares, b within ±1.
type autoregression struct {
	last               float64
	n, x, y, xx, xy, s float64 // pairs, and their sums
	count              float64
}

func (r *autoregression) add(x float64) {
	if r.count > 0 {
		r.n++
		r.x += r.last
		r.y += x
		r.xx += r.last * r.last
		r.xy += r.last * x
	}
	r.s += x
	r.count++
	r.last = x
}

// forecast returns the value expected next: the mean while two values or equal
// ones say no more.
func (r *autoregression) forecast() float64 {
	spread := r.n*r.xx - r.x*r.x
	if r.n < 3 || spread <= 1e-12*r.n*r.xx {
		return r.s / r.count
	}
	b := min(1, max(-1, (r.n*r.xy-r.x*r.y)/spread))
	return max(0, (r.y-b*r.x)/r.n+b*r.last)
}
