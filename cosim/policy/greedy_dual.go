package policy

import (
	"math/rand/v2"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

// GreedyDual keeps sandboxes until memory is wanted, and then gives up those
// that are worth least: calls of the function times the time a start takes,
// divided by memory (Fuerst and Sharma, FaasCache, ASPLOS 2021, section 4).
// Calls count from when the function had no sandbox.
type GreedyDual struct {
	// Limit is how long an idle sandbox stays where memory suffices.
	Limit time.Duration `yaml:"limit" also:"unlimited" range:"0s.."`
}

// KeepAlive implements Keeping.
func (p GreedyDual) KeepAlive(*rand.Rand) cluster.KeepAlive { return &greedyDual{GreedyDual: p} }

type greedyDual struct {
	GreedyDual
	calls   float64
	startup time.Duration // the longest seen: that of a pre-existing sandbox is not known
}

// Arrived implements cluster.ArrivalWatcher.
func (k *greedyDual) Arrived(f *cluster.Function, _ des.Time) {
	if f.Sandboxes() == 0 {
		k.calls = 0
	}
	k.calls++
}

// Idle implements cluster.KeepAlive.
func (k *greedyDual) Idle(*cluster.Sandbox, des.Time) time.Duration { return k.Limit }

// Review implements cluster.KeepAlive.
func (*greedyDual) Review(*cluster.Sandbox, des.Time) time.Duration { return 0 }

// Value implements cluster.Evictor.
func (k *greedyDual) Value(s *cluster.Sandbox) float64 {
	k.startup = max(k.startup, s.Startup())
	return k.calls * k.startup.Seconds() / float64(max(1, s.Function().MemoryMiB()))
}
