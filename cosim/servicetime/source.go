package servicetime

import (
	"context"
	"time"
)

// State is what the cluster model knows of a core when an invocation starts
// there. The condition follows from it.
type State struct {
	Cold bool          // first call of this sandbox
	New  bool          // this sandbox has never executed on this core
	K    int64         // invocations of other sandboxes executed here since it last did
	Same int64         // of these, invocations of the same function
	Idle time.Duration // time since this sandbox last executed here

	// Base is the duration that a trace gives this very invocation, 0 without a
	// trace. The law then adds the penalty of the condition to it, an absolute
	// time: a fivefold flush of a short call must not scale a long one.
	Base time.Duration
}

// Draw is the answer to "how long does this invocation take?".
type Draw struct {
	Service      time.Duration // how long the sandbox's slot is held
	Busy         time.Duration // how long a core is held, <= Service
	Interpolated bool          // the condition lies between measured ones
}

// Law is how long invocations of one function take on one platform.
//
// Draw answers for an invocation that starts in state s; u in [0, 1) picks the
// quantile, so that one u is one piece of luck under every condition. It
// returns ErrNotSampled (as *NotSampledError) where no measurement answers.
// Startup answers for what happens before a sandbox's first call. A Law is
// safe for concurrent use.
type Law interface {
	Draw(s State, u float64) (Draw, error)
	// Startup returns the times of creating the sandbox and of starting the
	// runtime; create and init in [0, 1) pick the quantiles.
	Startup(create, init float64) (createTime, initTime time.Duration, err error)
}

// Request asks a Source for one function on one platform.
type Request struct {
	Function string // name in the catalog of functions
	Input    string // input class
	Platform string // platform name
}

// Source finds the law for a request: from the store alone (replay), from
// detailed runs made beforehand (ahead), or by measuring what is missing while
// the virtual clock stands still (inline). The cluster model cannot tell which.
// A Source is safe for concurrent use.
type Source interface {
	Law(ctx context.Context, r Request) (Law, error)
}
