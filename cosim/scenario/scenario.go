package scenario

import (
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/policy"
)

// Scenario is one experiment as its author wrote it, with every default filled
// in. It is immutable and safe for concurrent use.
type Scenario struct {
	// Name of the experiment; the file's name without extension unless given.
	Name string `yaml:"name"`
	// Description says in a sentence what is asked.
	Description string `yaml:"description"`
	// Seed of every random stream.
	Seed uint64 `yaml:"seed" default:"1"`
	// Cluster is what serves.
	Cluster Cluster `yaml:"cluster" need:"always"`
	// Workload is what arrives.
	Workload Workload `yaml:"workload" need:"always"`
	// Fidelity is how faithfully service times are modelled, and how precisely estimated.
	Fidelity Fidelity `yaml:"fidelity"`
	// Execution is where and how it runs; it never changes a number.
	Execution Execution `yaml:"execution"`
	// Factors are varied over their levels, full factorial.
	Factors []Factor `yaml:"factors"`

	origin origin // for Override and Variants
}

// Cluster is the cluster and its policies.
type Cluster struct {
	// Nodes are the machines.
	Nodes []NodeGroup `yaml:"nodes" need:"always"`
	// ControlPlane is knative for Knative Serving's, which decides instead of binding, load-balancing, sandbox-choice, scaling, keep-alive, queue-limit and hedging.
	ControlPlane string `yaml:"controlplane" words:"knative"`
	// Knative is how Knative is set up.
	Knative Knative `yaml:"knative" only:"controlplane=knative"`
	// Orchestrator is kubernetes where the sandboxes are pods of a Kubernetes cluster, whose scheduler decides instead of placement, and whose kubelets and image pulls precede the stages of cold-start.
	Orchestrator string `yaml:"orchestrator" words:"kubernetes"`
	// Kubernetes is how Kubernetes is set up.
	Kubernetes Kubernetes `yaml:"kubernetes" only:"orchestrator=kubernetes"`
	// Discipline is how the cores of a node are shared.
	Discipline cluster.Discipline `yaml:"discipline" default:"fcfs"`
	// QuotaPeriod is how often the cpu-limit of a sandbox is granted anew: a limit of half a core is half of this time.
	QuotaPeriod time.Duration `yaml:"cpu-quota-period" only:"discipline=cfs" default:"100ms" range:"1ms..1s"`
	// CoreChoice is which core of its node an invocation runs on.
	CoreChoice cluster.CoreChoice `yaml:"core-choice" default:"last"`
	// Binding is when an invocation is bound to a sandbox.
	Binding cluster.Binding `yaml:"binding" default:"late"`
	// LoadBalancing is which sandbox serves an invocation.
	LoadBalancing Policy[policy.Balancing] `yaml:"load-balancing" default:"first-available"`
	// SandboxChoice is which of several equally good sandboxes is taken.
	SandboxChoice policy.SandboxChoice `yaml:"sandbox-choice" default:"most-recent"`
	// Placement is which node hosts a new sandbox.
	Placement Policy[cluster.Placement] `yaml:"placement" default:"spread"`
	// Scaling is how many sandboxes each function has.
	Scaling Scaling `yaml:"scaling"`
	// KeepAlive is how long an idle sandbox stays: a time, or a policy.
	KeepAlive Policy[policy.Keeping] `yaml:"keep-alive" default:"10m"`
	// Retry is whether a request whose attempt was lost is tried again.
	Retry Policy[cluster.Retry] `yaml:"retry" default:"none"`
	// Hedging is whether a second attempt is made beside one that takes long.
	Hedging Policy[policy.Hedging] `yaml:"hedging" default:"none"`
	// Failure is In-Vitro's failure.json: the node that fails, and when.
	Failure string `yaml:"failure" file:"read"`
	// Concurrency is how many invocations one sandbox serves at a time.
	Concurrency int `yaml:"concurrency" default:"1" range:"1..1000000"`
	// QueueLimit is how many invocations may wait in one queue.
	QueueLimit int `yaml:"queue-limit" default:"unlimited" also:"unlimited" range:"0..1000000000"`
	// Resources are what a sandbox requests, and what it uses of it.
	Resources Resources `yaml:"resources"`
	// ColdStart is what a new sandbox takes before its first call.
	ColdStart ColdStart `yaml:"cold-start"`
}

// NodeGroup is a number of equal machines.
type NodeGroup struct {
	// Name of the node; all nodes are called name-0, name-1 and so on.
	Name string `yaml:"name" default:"node"`
	// Count is how many such nodes there are.
	Count int `yaml:"count" default:"1" range:"1..100000"`
	// Cores of each node.
	Cores int `yaml:"cores" need:"always" range:"1..1024"`
	// Memory of each node; without a limit unless given.
	Memory MiB `yaml:"memory" range:"1MiB.."`
	// MemoryOvercommit is how much memory sandboxes are given of each node's, in all.
	MemoryOvercommit Share `yaml:"memory-overcommit" default:"100%" range:"1%..10000%"`
	// MaxSandboxes is how many sandboxes each node takes at a time; without a limit unless given, or 110 where controlplane is knative, as a kubelet.
	MaxSandboxes int `yaml:"max-sandboxes" range:"1..1000000"`
	// Platform of each node; fidelity.platform unless given.
	Platform string `yaml:"platform"`
	// Labels of each node, such as disk=ssd or topology.kubernetes.io/zone=a.
	Labels []string `yaml:"labels"`
	// Taints of each node, such as dedicated=batch:NoSchedule.
	Taints []string `yaml:"taints"`
	// Images are those of kubernetes.images that each node has from the beginning.
	Images []string `yaml:"images"`
	// CoreSchedule is a file of how many of the cores each node has over its life: CSV with the columns seconds and cores, which repeats.
	CoreSchedule string `yaml:"core-schedule" file:"read"`
	// Stagger is how much further in the schedule each node of the group begins than the one before.
	Stagger time.Duration `yaml:"stagger" range:"0s.."`
	// Lifetime is the law of how long each node lives; for ever unless given.
	Lifetime *Law `yaml:"lifetime"`
	// Survival is a file of the probability to live longer than a time, in the place of lifetime: CSV with the columns seconds and survival.
	Survival string `yaml:"survival" file:"read"`
	// FailAt is when all nodes of the group go away; never unless given.
	FailAt time.Duration `yaml:"fail-at" range:"1ns.."`
	// Notice is how long ahead the end of a node is known.
	Notice time.Duration `yaml:"notice" default:"0s" range:"0s.."`
	// Repair is after which time a node that went away starts again.
	Repair time.Duration `yaml:"repair" default:"unlimited" also:"unlimited" range:"0s.."`
}

// Scaling is how many sandboxes a function has.
type Scaling struct {
	// Kind is concurrency (as many as the invocations in the system need) or fixed.
	Kind string `yaml:"kind" default:"concurrency" words:"concurrency|fixed"`
	// Sandboxes is their number where it is fixed.
	Sandboxes int `yaml:"sandboxes" only:"kind=fixed" need:"always" range:"1..1000000"`
	// Min is how many exist from the beginning and never expire.
	Min int `yaml:"min" only:"kind=concurrency" default:"0" range:"0..1000000"`
	// Max is how many there can be.
	Max int `yaml:"max" only:"kind=concurrency" default:"unlimited" also:"unlimited" range:"1..1000000"`
}

// ColdStart is what happens before a sandbox's first call.
type ColdStart struct {
	// Create is the time of creating the sandbox.
	Create Stage `yaml:"create" default:"measured"`
	// Init is the time of starting the runtime.
	Init Stage `yaml:"init" default:"measured"`
}

// Fidelity is how service times are modelled and estimates made.
type Fidelity struct {
	// Platform is the processor that service times were measured on.
	Platform string `yaml:"platform"`
	// Overrides are parameters of a gem5 platform that differ, comma-separated, as "l2.size=2MiB, queue.rob=128".
	Overrides string `yaml:"overrides"`
	// Stack is the software they were measured with: recorded (what ships with the product), local, or a digest.
	Stack string `yaml:"stack" default:"recorded"`
	// Model turns what a core did in between into a condition.
	Model Model `yaml:"model"`
	// Penalty is a factor on what a condition costs beyond warm; 0 is the placebo.
	Penalty float64 `yaml:"penalty" default:"1" range:"0..1000"`
	// Mix names the functions that interleaved when lukewarm was measured.
	Mix string `yaml:"mix" default:"catalog"`
	// Replications is the number of independent runs.
	Replications int `yaml:"replications" default:"10" range:"1..100000"`
	// Resamples is how often the measured service times are resampled to learn how sure the results are of them; 0, never.
	Resamples int `yaml:"resamples" default:"40" range:"0..100000"`
	// ModelBand is how far the simulator that measured may be off the hardware. It is shown beside every time, and mixed into no interval.
	ModelBand Share `yaml:"model-band" default:"15%" range:"0%..100%"`
	// Confidence is the level of every interval.
	Confidence Share `yaml:"confidence" default:"95%" range:"50%..99.99%"`
}

// Model is the condition model.
type Model struct {
	// Kind is interleave (by the invocations in between), idle (by the time in between), or none (drawn independently of what the core did: the loop is cut).
	Kind string `yaml:"kind" default:"interleave" words:"interleave|idle|none"`
	// Of is the model whose conditions are drawn independently.
	Of string `yaml:"of" only:"kind=none" default:"interleave" words:"interleave|idle"`
	// HalfDepth is k½, the number of invocations after which half of the warm state is gone; 0 stands for fitted to the samples.
	HalfDepth float64 `yaml:"half-depth" only:"kind=interleave|none" default:"fitted" also:"fitted" range:"0.001..1000000"`
	// Tau is the idle time after which 63 % of the warm state is gone; fitted, for every function, to what the invocations in between leave in a pilot run of the interleave model.
	Tau time.Duration `yaml:"tau" only:"kind=idle|none" default:"fitted" also:"fitted" range:"1ns.."`
	// Shares are the conditions that are drawn; those of the coupled run unless given.
	Shares []ConditionShare `yaml:"shares" only:"kind=none"`
}

// ConditionShare is how often a condition is drawn.
type ConditionShare struct {
	// Condition is warm, lukewarm:K or flush.
	Condition string `yaml:"condition" need:"always"`
	// Share of the calls that are not a sandbox's first, to 0.01 %.
	Share Share `yaml:"share" need:"always" range:"0%..100%"`
}

// Depths returns the model that places a condition on the interpolation axis:
// interleave or idle.
func (m Model) Depths() string {
	if m.Kind == "none" {
		return m.Of
	}
	return m.Kind
}

// Independent reports that conditions are drawn independently.
func (m Model) Independent() bool { return m.Kind == "none" }

// Execution is where service times come from and what they may cost.
type Execution struct {
	// Source answers for service times: replay (the store only), ahead (measure what is missing first), inline (measure while the virtual clock stands still).
	Source string `yaml:"source" default:"replay" words:"replay|ahead|inline"`
	// Store is the file of measured service times; the user's own unless given.
	Store string `yaml:"store"`
	// Slots is how many replications or measurements run at a time; 0, one per processor.
	Slots int `yaml:"slots" default:"0" range:"0..100000"`
	// Timeout ends the whole run; none unless given.
	Timeout time.Duration `yaml:"timeout" range:"1ns.."`
	// Samples is how many are measured of a condition that has none.
	Samples int `yaml:"samples" only:"source=ahead|inline" default:"30" range:"1..1000000"`
}

// Factor is one key that is varied.
type Factor struct {
	// Name of the factor in the report.
	Name string `yaml:"name" need:"always"`
	// Set is the path of the key, such as cluster.load-balancing or cluster.nodes[0].cores.
	Set string `yaml:"set" need:"always"`
	// Levels are the values it takes, as they would be written at the key.
	Levels Levels `yaml:"levels" need:"always"`
}
