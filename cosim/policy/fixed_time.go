package policy

import (
	"math/rand/v2"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

// FixedTime removes a sandbox that has been idle for a time.
type FixedTime struct {
	// For is how long an idle sandbox stays.
	For time.Duration `yaml:"for" also:"unlimited" range:"0s.."`
}

// KeepAlive implements Keeping.
func (p FixedTime) KeepAlive(*rand.Rand) cluster.KeepAlive { return p }

// Idle implements cluster.KeepAlive.
func (p FixedTime) Idle(*cluster.Sandbox, des.Time) time.Duration { return p.For }

// Review implements cluster.KeepAlive.
func (FixedTime) Review(*cluster.Sandbox, des.Time) time.Duration { return 0 }
