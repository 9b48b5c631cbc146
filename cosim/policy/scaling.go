package policy

import "microcosm/cosim/cluster"

// Fixed keeps a number of sandboxes from before the first arrival to the end.
type Fixed struct{ Sandboxes int }

// Minimum implements cluster.Scaler.
func (f Fixed) Minimum() int { return f.Sandboxes }

// Desired implements cluster.Scaler.
func (f Fixed) Desired(*cluster.Function) int { return f.Sandboxes }

// FollowConcurrency keeps as many sandboxes as the invocations in the system
// need, between Min and Max: a new one starts as soon as an invocation finds no
// free slot, as AWS Lambda does.
type FollowConcurrency struct {
	Min int
	Max int // cluster.Unlimited or >= 1
}

// Minimum implements cluster.Scaler.
func (s FollowConcurrency) Minimum() int { return s.Min }

// Desired implements cluster.Scaler.
func (s FollowConcurrency) Desired(f *cluster.Function) int {
	need := (f.InSystem() + f.Concurrency() - 1) / f.Concurrency()
	if s.Max != cluster.Unlimited {
		need = min(need, s.Max)
	}
	return max(need, s.Min)
}
