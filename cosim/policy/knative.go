package policy

import (
	"math/rand/v2"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

// Knative is what Knative's autoscaler leaves of idle sandboxes, for clusters
// whose control plane is not simulated: a sandbox stays for the stable window
// after its last use, the last one for the scale-to-zero grace period longer.
// The autoscaler proper lowers the number step by step while its window empties;
// that is cosim/controlplane's to decide.
type Knative struct {
	// StableWindow is the window over which concurrency is averaged.
	StableWindow time.Duration `yaml:"stable-window" range:"0s.."`
	// Grace is how much longer the last sandbox stays.
	Grace time.Duration `yaml:"scale-to-zero-grace-period" range:"0s.."`
}

// KeepAlive implements Keeping.
func (p Knative) KeepAlive(*rand.Rand) cluster.KeepAlive { return p }

// Idle implements cluster.KeepAlive.
func (p Knative) Idle(*cluster.Sandbox, des.Time) time.Duration { return p.StableWindow }

// Review implements cluster.KeepAlive.
func (p Knative) Review(s *cluster.Sandbox, now des.Time) time.Duration {
	left := p.StableWindow + p.Grace - now.Sub(s.IdleSince())
	if s.Function().Ready() > 1 || left <= 0 {
		return 0
	}
	return left
}
