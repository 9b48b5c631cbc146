package knative

import (
	"math"

	"microcosm/cosim/des"
)

// Stat is what a queue-proxy or an activator reports of one second: averages
// over its pod or over itself.
type Stat struct {
	Concurrency        float64 `json:"concurrency"`
	ProxiedConcurrency float64 `json:"proxied-concurrency,omitempty"` // of it, what came through an activator, which counts it itself
	Requests           float64 `json:"requests"`
	ProxiedRequests    float64 `json:"proxied-requests,omitempty"`
}

// Add adds the stat of another pod.
func (s *Stat) Add(o Stat) {
	s.Concurrency += o.Concurrency
	s.ProxiedConcurrency += o.ProxiedConcurrency
	s.Requests += o.Requests
	s.ProxiedRequests += o.ProxiedRequests
}

// Extrapolate turns the sum over sampled pods into an estimate for all pods.
func (s *Stat) Extrapolate(sampled, pods float64) {
	s.Concurrency = s.Concurrency / sampled * pods
	s.ProxiedConcurrency = s.ProxiedConcurrency / sampled * pods
	s.Requests = s.Requests / sampled * pods
	s.ProxiedRequests = s.ProxiedRequests / sampled * pods
}

// SampleSize returns how many of so many pods are asked for their stats: all of
// up to three, then what estimates a mean to five units with 95 % confidence
// where the variance is 100, corrected for the finite population.
func SampleSize(pods int) int {
	const unbounded = 1.96 * 1.96 * 100 / (5. * 5.)
	if pods <= 3 {
		return max(0, pods)
	}
	n := float64(pods)
	return int(math.Ceil(n * unbounded / (n + unbounded - 1)))
}

// Collector holds the metric of one revision in its two windows.
type Collector struct {
	rps            bool
	scraped        bool // pods are asked; without, an empty window means idle
	stable, panics *Window
}

// NewCollector returns the empty windows of a revision.
func NewCollector(s Spec) *Collector {
	return &Collector{
		rps: s.Metric == RPS, scraped: s.TargetBurstCapacity != -1,
		stable: NewWindow(s.StableWindow, s.Weighted), panics: NewWindow(s.PanicWindow, s.Weighted),
	}
}

// Record adds a stat. Proxied requests were counted by the activator.
func (c *Collector) Record(at des.Time, s Stat) {
	value := s.Concurrency - s.ProxiedConcurrency
	if c.rps {
		value = s.Requests - s.ProxiedRequests
	}
	c.stable.Record(at, value)
	c.panics.Record(at, value)
}

// Averages returns the metric over the two windows, and false where there is
// nothing to decide on.
func (c *Collector) Averages(at des.Time) (stable, panicking float64, ok bool) {
	if c.scraped && c.stable.Empty(at) {
		return 0, 0, false
	}
	return c.stable.Average(at), c.panics.Average(at), true
}

// Silent reports that from the instant to the next stat that is not zero every
// decision is made on averages of zero, or on none.
func (c *Collector) Silent(at des.Time) bool { return c.stable.silent(at) && c.panics.silent(at) }

// Skip stands for a zero stat in every second up to the instant, where pods are asked.
func (c *Collector) Skip(at des.Time) {
	if !c.scraped {
		return
	}
	c.stable.skip(at)
	c.panics.skip(at)
}
