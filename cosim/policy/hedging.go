package policy

import (
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/metrics"
)

// noHedge makes no second attempt.
type noHedge struct{}

// Hedge implements Hedging.
func (noHedge) Hedge() cluster.Hedge { return nil }

// FixedHedge makes a second attempt after a fixed time.
type FixedHedge struct {
	// Delay is how long the first one may take.
	Delay time.Duration `yaml:"delay" range:"0s.."`
}

// Hedge implements Hedging.
func (p FixedHedge) Hedge() cluster.Hedge { return p }

// After implements cluster.Hedge.
func (p FixedHedge) After() (time.Duration, bool) { return p.Delay, true }

// Responded implements cluster.Hedge.
func (FixedHedge) Responded(time.Duration) {}

// QuantileHedge makes a second attempt when the first one has taken longer than
// a share of the function's requests so far, which bounds the share of second
// attempts (Dean and Barroso, The Tail at Scale, 2013).
type QuantileHedge struct {
	// Quantile of the response times.
	Quantile float64 `yaml:"quantile" range:"0..1"`
	// MinSamples is how many response times it wants to have seen.
	MinSamples int `yaml:"min-samples" range:"1..1000000000"`
}

// Hedge implements Hedging.
func (p QuantileHedge) Hedge() cluster.Hedge { return &quantileHedge{QuantileHedge: p} }

type quantileHedge struct {
	QuantileHedge
	seen  metrics.Histogram
	delay time.Duration
	next  int64 // number of response times at which delay is looked up anew
}

// After implements cluster.Hedge.
func (h *quantileHedge) After() (time.Duration, bool) {
	n := h.seen.Count()
	if n < int64(h.MinSamples) {
		return 0, false
	}
	if n >= h.next {
		h.delay, h.next = h.seen.Quantile(h.Quantile), n+n/16+1
	}
	return h.delay, true
}

// Responded implements cluster.Hedge.
func (h *quantileHedge) Responded(response time.Duration) { h.seen.Record(response) }
