package kubernetes

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"microcosm/cosim/servicetime"
)

// Config is Kubernetes in one run.
type Config struct {
	Scheduler Scheduler
	Kubelet   Kubelet
	Registry  Registry
	Nodes     []NodeSpec // in the order of the cluster's nodes
	Pods      []PodSpec  // in the order of the functions
	Images    []Image
	// Random opens a named stream, as in cluster.Config.
	Random func(name string) *rand.Rand
}

// Weights are those of the scoring plugins; 0 turns a plugin off.
type Weights struct {
	TaintToleration    int
	NodeAffinity       int
	TopologySpread     int
	InterPodAffinity   int
	ResourcesFit       int
	BalancedAllocation int
	ImageLocality      int
}

// DefaultWeights are Kubernetes' (pkg/scheduler/apis/config/v1/default_plugins.go).
func DefaultWeights() Weights {
	return Weights{TaintToleration: 3, NodeAffinity: 2, TopologySpread: 2, InterPodAffinity: 2, ResourcesFit: 1, BalancedAllocation: 1, ImageLocality: 1}
}

// Strategy is what NodeResourcesFit prefers.
type Strategy uint8

// The strategies.
const (
	StrategyInvalid Strategy = iota
	LeastAllocated
	MostAllocated
)

var strategyWords = [...]string{"invalid", "least-allocated", "most-allocated"}

// String returns the word of the strategy.
func (s Strategy) String() string {
	if int(s) < len(strategyWords) {
		return strategyWords[s]
	}
	return strategyWords[StrategyInvalid]
}

// Scheduler is kube-scheduler.
type Scheduler struct {
	Weights  Weights
	Strategy Strategy
	// PercentageOfNodes is how many of the nodes are scored once as many are found
	// that fit; 0 adapts to the size of the cluster.
	PercentageOfNodes int
	Cycle, Bind       servicetime.Distribution // of one scheduling cycle, and of the binding after it; nil takes no time
	InitialBackoff    time.Duration
	MaxBackoff        time.Duration
	// LongestUnschedulable is after which time an unschedulable pod is tried again
	// whatever has happened.
	LongestUnschedulable time.Duration
	// HardPodAffinityWeight is what a pod's required affinity to another counts in the
	// other's score.
	HardPodAffinityWeight int
}

// Kubelet is what the agent of each node allows.
type Kubelet struct {
	MaxPods int
	// QPS and Burst bound its requests to the API server. QPS 0: without a limit.
	QPS, Burst int
	// StartRequests precede the container of each pod, ReadyRequests its being ready.
	StartRequests, ReadyRequests int
	// RegistryQPS and RegistryBurst bound the pulls that it begins; one too many fails
	// and is tried again after a backoff. RegistryQPS 0: without a limit.
	RegistryQPS, RegistryBurst  int
	PullBackoff, MaxPullBackoff time.Duration
	// ParallelPulls is how many images are pulled at a time; 0: without a limit.
	ParallelPulls int
	// ParallelLayers is how many layers of one image are downloaded at a time.
	ParallelLayers int
	// Creations is how many containers are created at a time; 0: without a limit.
	Creations int
}

// Registry is where images come from.
type Registry struct {
	// Bandwidth is that of the registry, NodeBandwidth that of each node, in bytes per
	// second; 0: without a limit.
	Bandwidth, NodeBandwidth float64
	Unpack                   float64                  // bytes per second, of an image's layers one after the other; 0 takes no time
	Latency                  servicetime.Distribution // of a pull before its first byte; nil takes no time
	Pull                     servicetime.Distribution // of a whole pull, in the place of all of the above; nil where it is computed
	Disk                     int                      // MiB of images that a node keeps; 0: all
}

// NodeSpec is what Kubernetes knows of a node beside its cores and memory.
type NodeSpec struct {
	Labels Labels
	Taints []Taint
	Images []int // that are there from the beginning
}

// Image is a list of layers, the lowest first.
type Image struct {
	Name   string
	Layers []Layer
}

// Layer is one layer. Layers of one name are the same.
type Layer struct {
	Name string
	MiB  int
}

// NoImage stands for pods whose image is on every node.
const NoImage = -1

// PodSpec is the pod of one function.
type PodSpec struct {
	MilliCPU  int // requested; 0: none
	MemoryMiB int // requested; 0: none
	Image     int // in Config.Images, or NoImage

	NodeSelector []Requirement
	Tolerations  []Toleration
	NodeAffinity []NodePreference
	PodAffinity  []PodTerm
	Spread       []SpreadConstraint // nil: Kubernetes' defaults
}

// NodePreference is a preferred node affinity.
type NodePreference struct {
	Weight int
	Match  []Requirement
}

// PodTerm attracts a pod to those of other functions in its topology, or repels it.
type PodTerm struct {
	Functions []int // whose pods
	Topology  string
	Weight    int  // 0: required
	Anti      bool // repels
}

// SpreadConstraint bounds how much more pods of the function one part of a topology
// has than another.
type SpreadConstraint struct {
	Topology string
	MaxSkew  int
	Hard     bool // DoNotSchedule, else ScheduleAnyway
}

// defaultSpread is what pods of a service or replica set have that say nothing
// (pkg/scheduler/framework/plugins/podtopologyspread/plugin.go).
var defaultSpread = []SpreadConstraint{{Topology: Hostname, MaxSkew: 3}, {Topology: Zone, MaxSkew: 5}}

// Check returns every mistake in the configuration of so many nodes and functions.
func (c *Config) Check(nodes, functions int) error {
	var mistakes []error
	wrong := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	if len(c.Nodes) != nodes || len(c.Pods) != functions {
		wrong("%d node and %d pod specifications for %d nodes and %d functions", len(c.Nodes), len(c.Pods), nodes, functions)
	}
	if c.Random == nil {
		wrong("random streams must be given")
	}
	if s := c.Scheduler; s.Strategy == StrategyInvalid || s.InitialBackoff <= 0 || s.MaxBackoff < s.InitialBackoff || s.LongestUnschedulable <= 0 {
		wrong("the scheduler wants a strategy, backoffs and a longest time of being unschedulable above 0")
	}
	if k := c.Kubelet; k.MaxPods < 1 || k.QPS > 0 && k.Burst < 1 || k.RegistryQPS > 0 && (k.RegistryBurst < 1 || k.PullBackoff <= 0) || k.ParallelLayers < 1 {
		wrong("the kubelet wants a number of pods, bursts, a pull backoff and parallel layers of at least 1")
	}
	for _, i := range c.Images {
		if len(i.Layers) == 0 {
			wrong("image %s has no layers", i.Name)
		}
	}
	for i, p := range c.Pods {
		if p.Image < NoImage || p.Image >= len(c.Images) {
			wrong("pod %d has image %d of %d", i, p.Image, len(c.Images))
		}
		for _, t := range p.PodAffinity {
			for _, f := range t.Functions {
				if f < 0 || f >= functions {
					wrong("pod %d has an affinity to function %d of %d", i, f, functions)
				}
			}
		}
	}
	return errors.Join(mistakes...)
}
