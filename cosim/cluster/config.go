package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"microcosm/cosim/des"
	"microcosm/cosim/servicetime"
)

// Discipline is how the cores of a node are shared.
type Discipline uint8

// The disciplines.
const (
	DisciplineInvalid Discipline = iota
	// FCFS gives an invocation a whole core until it leaves it; who finds no
	// core waits in one queue per node (per core when cores are pinned).
	FCFS
	// ProcessorSharing serves every invocation on a core at once, each at
	// 1/n of its speed.
	ProcessorSharing
	// CFS serves every invocation on a core at once, in proportion to the CPU that
	// its sandbox has requested and within its limit. An idle core takes an
	// invocation from one that has several.
	CFS
)

var disciplineWords = [...]string{"invalid", "fcfs", "processor-sharing", "cfs"}

// String returns the word of the discipline.
func (d Discipline) String() string {
	if int(d) < len(disciplineWords) {
		return disciplineWords[d]
	}
	return disciplineWords[DisciplineInvalid]
}

// CoreChoice is which core of its node an invocation runs on. It decides every
// k.
type CoreChoice uint8

// The choices of a core. Under FCFS they choose among idle cores; under
// processor sharing and CFS among idle cores first, else among the least loaded.
const (
	CoreInvalid CoreChoice = iota
	CorePinned             // the sandbox keeps the core it was given when it was made
	CoreLast               // its last core if idle, else the idle core on which k is smallest
	CoreLowest             // the idle core with the lowest number
	CoreRandom             // any idle core
)

var coreChoiceWords = [...]string{"invalid", "pinned", "last", "lowest", "random"}

// String returns the word of the choice.
func (c CoreChoice) String() string {
	if int(c) < len(coreChoiceWords) {
		return coreChoiceWords[c]
	}
	return coreChoiceWords[CoreInvalid]
}

// Binding is when an invocation is bound to a sandbox.
type Binding uint8

// The bindings (Kaffes et al., Hermes, SoCC 2022, section 2).
const (
	BindingInvalid Binding = iota
	BindLate               // waits in its function's queue until a sandbox has a free slot
	BindEarly              // goes to a sandbox at once and waits in that sandbox's queue
)

var bindingWords = [...]string{"invalid", "late", "early"}

// String returns the word of the binding.
func (b Binding) String() string {
	if int(b) < len(bindingWords) {
		return bindingWords[b]
	}
	return bindingWords[BindingInvalid]
}

// Unlimited stands for a queue or a number of sandboxes without a limit.
const Unlimited = -1

// Config is one cluster and its workload. It is immutable once given to New.
type Config struct {
	Nodes     []NodeConfig
	Functions []FunctionConfig

	Discipline Discipline
	CoreChoice CoreChoice
	Binding    Binding
	// QuotaPeriod is how often a CPU limit is granted anew under CFS.
	QuotaPeriod time.Duration
	// NewBalancer makes the load balancer of one function.
	NewBalancer func() LoadBalancer
	Placement   Placement
	Retry       Retry // nil: a request fails with its first attempt
	// NewControlPlane makes what takes the place of Binding, the load balancers,
	// the scalers and keep-alive in one run; nil for these.
	NewControlPlane func() ControlPlane
	// NewOrchestrator makes what takes the place of Placement and of the laws' cold
	// starts in one run; nil for these.
	NewOrchestrator func() Orchestrator

	Horizon des.Time // arrivals end here
	WarmUp  des.Time // invocations that arrive earlier are served but not recorded
	// Drain lets the run go on after Horizon until every request has ended, but
	// at most for this long.
	Drain time.Duration

	// Random opens the named random stream. Streams of different names are
	// independent; a name is opened once.
	Random func(name string) *rand.Rand

	// Flows, unless nil, releases invocations that depend on one another.
	Flows Flows

	// Stop, unless nil, is asked now and then; its error ends the run.
	Stop func() error

	// Buckets is the number of equal parts of [0, Horizon] in the timeline;
	// 0 means 120.
	Buckets int
	// NoNodes and NoClasses leave out the histograms by node and by condition.
	NoNodes, NoClasses bool
	// Sections keeps the response times of successive parts of the run apart, so
	// that quantiles of a single run have intervals.
	Sections bool
	// Census makes the run count in which states invocations start.
	Census bool
}

// NodeConfig is one machine.
type NodeConfig struct {
	Name      string
	Cores     int
	MemoryMiB int // 0: without a limit
	PlaceMiB  int // memory that is given out to sandboxes; 0: all of it. More overcommits it
	Platform  string
	// MaxSandboxes is how many sandboxes there can be at a time; 0: without a limit.
	MaxSandboxes int
	Reliability
}

// Arrivals yields the invocations of one function in order of time.
type Arrivals interface {
	// Next returns the next arrival, or false when there is none left.
	Next() (Arrival, bool)
}

// Arrival is one request.
type Arrival struct {
	At des.Time
	// Base is the duration that a trace gives this invocation, else 0.
	Base time.Duration
}

// FunctionConfig is one function and its demand.
type FunctionConfig struct {
	Name     string
	Arrivals Arrivals
	// Minor functions share one record, which bounds memory where there are
	// thousands of functions.
	Minor bool
	// Laws holds the function's service times by platform.
	Laws map[string]servicetime.Law
	// Conditions, unless nil, cuts the loop: the state of a call that is not a
	// sandbox's first is drawn from it, whatever the core did in between.
	Conditions  *Census
	Concurrency int // invocations that one sandbox serves at a time, >= 1
	MemoryMiB   int // of one sandbox, at most; 0: without a limit
	RequestMiB  int // of it, that the sandbox is promised; 0: all
	// CPURequest and CPULimit are thousandths of a core of one sandbox: its weight and
	// its quota under CFS. A limit of 0 is none.
	CPURequest, CPULimit int
	// Memory is how much of it sandboxes use. Where no function has one, nobody
	// follows the use of memory.
	Memory *MemoryUse
	// QueueLimit bounds the queue in front of the function (late binding) or
	// of each sandbox (early binding); Unlimited or >= 0. An invocation that
	// finds the queue full is rejected.
	QueueLimit int
	Scaler     Scaler
	// NewKeepAlive makes the function's keep-alive; nil keeps every sandbox.
	NewKeepAlive func(random *rand.Rand) KeepAlive
	NewHedge     func() Hedge // nil: no hedging
}

// Check returns every mistake in the configuration.
func (c *Config) Check() error {
	var mistakes []error
	wrong := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	if len(c.Nodes) == 0 {
		wrong("a cluster needs a node")
	}
	largest := 0
	for _, n := range c.Nodes {
		if n.Cores < 1 || n.Cores > MaxCores {
			wrong("node %s: cores must lie between 1 and %d, not %d", n.Name, MaxCores, n.Cores)
		}
		mistakes = append(mistakes, n.check(n)...)
		if n.MemoryMiB < 0 {
			wrong("node %s: memory must not be negative", n.Name)
		}
		if n.MaxSandboxes < 0 {
			wrong("node %s: the number of its sandboxes must not be negative, not %d", n.Name, n.MaxSandboxes)
		}
		if n.PlaceMiB < 0 || n.PlaceMiB > 0 && n.MemoryMiB == 0 {
			wrong("node %s: of its %d MiB it cannot give out %d", n.Name, n.MemoryMiB, n.PlaceMiB)
		}
		if n.MemoryMiB == 0 {
			largest = 1 << 62
		}
		largest = max(largest, cmp.Or(n.PlaceMiB, n.MemoryMiB))
	}
	named := map[string]bool{}
	for _, f := range c.Functions {
		mistakes = append(mistakes, f.check(c.Nodes, largest)...)
		if named[f.Name] {
			wrong("function %s: another function has this name, and with it the same luck", f.Name)
		}
		named[f.Name] = true
	}
	if c.NewControlPlane != nil {
		mistakes = append(mistakes, c.checkControlled()...)
	}
	return errors.Join(append(mistakes, c.checkRun()...)...)
}

// checkRun reports what is wrong with the run as a whole.
func (c *Config) checkRun() (mistakes []error) {
	wrong := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	if c.Discipline == DisciplineInvalid || c.CoreChoice == CoreInvalid || c.Binding == BindingInvalid {
		wrong("discipline, core choice and binding must be chosen")
	}
	if c.Discipline == CFS && c.QuotaPeriod <= 0 {
		wrong("cfs wants a period of its quotas, not %v", c.QuotaPeriod)
	}
	if c.NewBalancer == nil || c.Placement == nil || c.Random == nil {
		wrong("load balancer, placement and random streams must be given")
	}
	if c.Horizon <= 0 || c.WarmUp < 0 || c.WarmUp >= c.Horizon {
		wrong("the horizon must be positive and the warm-up shorter, not %v and %v", c.Horizon, c.WarmUp)
	}
	if c.Drain < 0 || c.Buckets < 0 {
		wrong("drain and buckets must not be negative, not %v and %d", c.Drain, c.Buckets)
	}
	return mistakes
}

// checkControlled reports what is not simulated under a control plane.
func (c *Config) checkControlled() (mistakes []error) {
	for _, f := range c.Functions {
		if f.NewHedge != nil {
			mistakes = append(mistakes, fmt.Errorf("function %s: nothing is hedged under a control plane: remove the hedging", f.Name))
		}
	}
	return mistakes
}

func (f *FunctionConfig) check(nodes []NodeConfig, largest int) (mistakes []error) {
	wrong := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("function "+f.Name+": "+format, args...))
	}
	if f.Arrivals == nil || f.Scaler == nil {
		wrong("arrivals and scaler must be given")
	}
	if f.Concurrency < 1 {
		wrong("concurrency must be at least 1, not %d", f.Concurrency)
	}
	if f.MemoryMiB < 0 || f.MemoryMiB > largest {
		wrong("a sandbox of %d MiB fits on no node", f.MemoryMiB)
	}
	if f.CPURequest < 0 || f.CPULimit < 0 {
		wrong("CPU must not be negative, not %dm of %dm", f.CPURequest, f.CPULimit)
	}
	if f.RequestMiB < 0 || f.MemoryMiB > 0 && f.RequestMiB > f.MemoryMiB {
		wrong("a sandbox of %d MiB cannot request %d MiB", f.MemoryMiB, f.RequestMiB)
	}
	if use := f.Memory; use != nil && (use.IdleMiB < 0 || f.MemoryMiB > 0 && use.IdleMiB > f.MemoryMiB) {
		wrong("a sandbox of %d MiB cannot use %d MiB when it is idle", f.MemoryMiB, use.IdleMiB)
	}
	if f.QueueLimit < Unlimited {
		wrong("queue limit must be unlimited or at least 0, not %d", f.QueueLimit)
	}
	missing := map[string]bool{}
	for _, n := range nodes {
		if f.Laws[n.Platform] == nil && !missing[n.Platform] {
			missing[n.Platform] = true
			wrong("no service times on platform %s", n.Platform)
		}
	}
	return mistakes
}

// LoadBalancer chooses the sandbox that serves an invocation of one function.
type LoadBalancer interface {
	// Choose returns one of the candidates, of which there is at least one.
	Choose(candidates *Candidates, random *rand.Rand) *Sandbox
}

// Placement chooses the node of a new sandbox.
type Placement interface {
	// Choose returns the index of a node on which a sandbox of f fits, or -1 when
	// there is none.
	Choose(f *Function, nodes []*Node, random *rand.Rand) int
}

// NodeOrder is a Placement that takes the first node on which the sandbox fits, in an
// order that only the nodes' cores, sandboxes and memory given out decide. The model
// then knows the first without asking about every node.
type NodeOrder interface {
	Placement
	// Before reports whether node a comes before node b. Of two nodes neither of
	// which does, the one with the lower index is first.
	Before(a, b *Node) bool
}

// Scaler says how many sandboxes a function should have. The control plane of a
// whole platform takes its place behind the same two methods.
type Scaler interface {
	// Minimum is the number of sandboxes that exist before the first arrival
	// and that keep-alive never removes.
	Minimum() int
	// Desired is asked at every arrival; sandboxes are added up to it, never
	// removed.
	Desired(f *Function) int
}

// KeepAlive decides how long the idle sandboxes of one function stay. It is
// asked about sandboxes above the scaler's minimum only when they go.
type KeepAlive interface {
	// Idle is asked when a sandbox has become idle, and returns after which time
	// it is looked at again if nobody has used it since; 0 removes it at once,
	// Unlimited keeps it.
	Idle(s *Sandbox, now des.Time) time.Duration
	// Review is asked at that time, and returns the same.
	Review(s *Sandbox, now des.Time) time.Duration
}

// ArrivalWatcher is a KeepAlive that sees each arrival of its function before
// anything happens to it.
type ArrivalWatcher interface {
	Arrived(f *Function, now des.Time)
}

// PreWarmer is a KeepAlive that has a sandbox started before it is needed.
type PreWarmer interface {
	// PreWarm is asked when the function's last invocation has ended. If none
	// arrives within the returned time and no sandbox is left then, one is
	// started; Unlimited starts none.
	PreWarm(f *Function, now des.Time) time.Duration
}

// Evictor is a KeepAlive that gives up idle sandboxes where a new one finds no
// memory. Value says what an idle sandbox is worth, in any unit that is the same
// for all functions. The model adds the value of the sandbox evicted last, so
// that worth ages (Cao and Irani, Cost-Aware WWW Proxy Caching Algorithms, 1997);
// the lowest sum goes first, and among equals the least recently used.
type Evictor interface {
	Value(s *Sandbox) float64
}
