package scenario

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"microcosm/cosim/controlplane/kubernetes"
)

// Kubernetes is the cluster whose pods the sandboxes are.
type Kubernetes struct {
	// Scheduler finds a node for each pod.
	Scheduler KubeScheduler `yaml:"scheduler"`
	// Kubelet is the agent of each node, with its container runtime.
	Kubelet Kubelet `yaml:"kubelet"`
	// Registry is where images come from.
	Registry Registry `yaml:"registry"`
	// Images are what pods run.
	Images []Image `yaml:"images"`
	// Pod is what the scheduler is told of each function's pods.
	Pod Pod `yaml:"pod"`
}

// KubeScheduler is kube-scheduler.
type KubeScheduler struct {
	// Weights are those of the scoring plugins; 0 turns one off.
	Weights KubeWeights `yaml:"weights"`
	// Strategy is what the plugin resources-fit prefers.
	Strategy kubernetes.Strategy `yaml:"strategy" default:"least-allocated"`
	// PercentageOfNodes is how many percent of the nodes are scored once as many are found that fit; 0 adapts to the size of the cluster.
	PercentageOfNodes int `yaml:"percentage-of-nodes-to-score" default:"0" range:"0..100"`
	// Cycle is the time of scheduling one pod, of which one is scheduled at a time; none unless given.
	Cycle *Law `yaml:"cycle"`
	// Bind is the time from there until the kubelet hears of the pod; none unless given.
	Bind *Law `yaml:"bind"`
	// InitialBackoff is the first backoff of a pod that fits nowhere; it doubles.
	InitialBackoff time.Duration `yaml:"pod-initial-backoff" default:"1s" range:"1ns.."`
	// MaxBackoff bounds it.
	MaxBackoff time.Duration `yaml:"pod-max-backoff" default:"10s" range:"1ns.."`
	// LongestUnschedulable is after which time an unschedulable pod is tried again whatever happened.
	LongestUnschedulable time.Duration `yaml:"pod-max-in-unschedulable-pods-duration" default:"5m" range:"1ns.."`
	// HardPodAffinityWeight is what a required affinity of pods counts in the score of those they need.
	HardPodAffinityWeight int `yaml:"hard-pod-affinity-weight" default:"1" range:"0..100"`
}

// KubeWeights are those of the scoring plugins.
type KubeWeights struct {
	// TaintToleration avoids soft taints.
	TaintToleration int `yaml:"taint-toleration" default:"3" range:"0..100"`
	// NodeAffinity follows preferred node affinities.
	NodeAffinity int `yaml:"node-affinity" default:"2" range:"0..100"`
	// TopologySpread spreads the pods of a function.
	TopologySpread int `yaml:"pod-topology-spread" default:"2" range:"0..100"`
	// InterPodAffinity follows preferred pod affinities.
	InterPodAffinity int `yaml:"inter-pod-affinity" default:"2" range:"0..100"`
	// ResourcesFit follows the strategy.
	ResourcesFit int `yaml:"resources-fit" default:"1" range:"0..100"`
	// BalancedAllocation keeps CPU and memory taken alike.
	BalancedAllocation int `yaml:"balanced-allocation" default:"1" range:"0..100"`
	// ImageLocality prefers nodes that have the image.
	ImageLocality int `yaml:"image-locality" default:"1" range:"0..100"`
}

// Kubelet is the agent of a node, with its container runtime.
type Kubelet struct {
	// MaxPods is how many pods a node takes.
	MaxPods int `yaml:"max-pods" default:"110" range:"1..100000"`
	// QPS is how many requests per second it makes to the API server.
	QPS int `yaml:"kube-api-qps" default:"50" also:"unlimited" range:"1..1000000"`
	// Burst is how many at once.
	Burst int `yaml:"kube-api-burst" default:"100" range:"1..1000000"`
	// StartRequests is how many precede the container of each pod.
	StartRequests int `yaml:"start-requests" default:"3" range:"0..1000"`
	// ReadyRequests is how many precede that others see it ready.
	ReadyRequests int `yaml:"ready-requests" default:"2" range:"0..1000"`
	// RegistryQPS is how many image pulls per second it begins; one too many fails and backs off.
	RegistryQPS int `yaml:"registry-qps" default:"5" also:"unlimited" range:"1..1000000"`
	// RegistryBurst is how many at once.
	RegistryBurst int `yaml:"registry-burst" default:"10" range:"1..1000000"`
	// PullBackoff is the first backoff after a pull that failed; it doubles.
	PullBackoff time.Duration `yaml:"image-pull-backoff" default:"10s" range:"1ns.."`
	// MaxPullBackoff bounds it.
	MaxPullBackoff time.Duration `yaml:"image-pull-max-backoff" default:"5m" range:"1ns.."`
	// ParallelPulls is how many images are pulled at a time; 1 is Kubernetes' serialized pulls.
	ParallelPulls int `yaml:"max-parallel-image-pulls" default:"1" also:"unlimited" range:"1..1000000"`
	// ParallelLayers is how many layers of one image are downloaded at a time, as containerd's key of this name.
	ParallelLayers int `yaml:"max-concurrent-downloads" default:"3" range:"1..1000000"`
	// Creations is how many containers are created at a time.
	Creations int `yaml:"container-creations" default:"unlimited" also:"unlimited" range:"1..1000000"`
}

// Registry is where images come from.
type Registry struct {
	// Bandwidth of the registry, shared by all nodes; without a limit unless given.
	Bandwidth Bandwidth `yaml:"bandwidth"`
	// NodeBandwidth is that of each node; without a limit unless given.
	NodeBandwidth Bandwidth `yaml:"node-bandwidth"`
	// Unpack is how fast the layers of an image are unpacked, one after the other; at once unless given.
	Unpack Bandwidth `yaml:"unpack"`
	// Latency is the time of a pull before its first byte; none unless given.
	Latency *Law `yaml:"latency"`
	// Pull is the time of a whole pull, in the place of what is computed from the above.
	Pull *Law `yaml:"pull"`
	// Disk is how much a node keeps of images; all unless given.
	Disk MiB `yaml:"disk" range:"1MiB.."`
}

// Image is a container image.
type Image struct {
	// Name of the image.
	Name string `yaml:"name" need:"always"`
	// Layers are what it consists of, the lowest first. Layers of one name are the same, in whatever image.
	Layers []Layer `yaml:"layers" need:"always"`
}

// Layer is a layer of an image.
type Layer struct {
	// Name of the layer.
	Name string `yaml:"name" need:"always"`
	// Size of the layer as it is downloaded.
	Size MiB `yaml:"size" need:"always" range:"1MiB.."`
	// Own makes each function have its own layer in this place.
	Own bool `yaml:"own" default:"false"`
}

// Pod is what the scheduler is told of the pods of a function.
type Pod struct {
	// Image is the name of one of kubernetes.images; on every node from the beginning unless given.
	Image string `yaml:"image"`
	// NodeSelector are label selectors as kubectl writes them, which a node must match: disk=ssd, zone in (a, b), "!gpu".
	NodeSelector []string `yaml:"node-selector"`
	// Tolerations are written like taints; key, value and effect may be missing, * tolerates all.
	Tolerations []string `yaml:"tolerations"`
	// NodeAffinity are preferences among nodes.
	NodeAffinity []NodePreference `yaml:"node-affinity"`
	// PodAffinity draws the pods to those of other functions, or keeps them away.
	PodAffinity []PodAffinity `yaml:"pod-affinity"`
	// Spread bounds how unevenly the pods of the function spread; Kubernetes' defaults unless given.
	Spread []PodSpread `yaml:"topology-spread"`
}

// NodePreference is a preferred node affinity.
type NodePreference struct {
	// Weight of the preference.
	Weight int `yaml:"weight" need:"always" range:"1..100"`
	// Match are label selectors; a node must match all.
	Match []string `yaml:"match" need:"always"`
}

// PodAffinity is an affinity between pods.
type PodAffinity struct {
	// Functions whose pods are meant.
	Functions []string `yaml:"functions" need:"always"`
	// Topology is the label that says which nodes lie together.
	Topology string `yaml:"topology" default:"kubernetes.io/hostname"`
	// Kind is affinity or anti-affinity.
	Kind string `yaml:"kind" default:"affinity" words:"affinity|anti-affinity"`
	// Weight of a preference; required unless given.
	Weight int `yaml:"weight" range:"1..100"`
}

// PodSpread is a topology spread constraint.
type PodSpread struct {
	// Topology is the label that divides the nodes.
	Topology string `yaml:"topology" need:"always"`
	// MaxSkew is how many pods more one part may have than another.
	MaxSkew int `yaml:"max-skew" default:"1" range:"1..1000000"`
	// When is what happens where that cannot be kept: do-not-schedule or schedule-anyway.
	When string `yaml:"when-unsatisfiable" default:"do-not-schedule" words:"do-not-schedule|schedule-anyway"`
}

// CPU is an amount of processor time per time, in thousandths of a core.
type CPU int

// UnmarshalText reads an amount such as "250m", "0.25" or "2".
func (c *CPU) UnmarshalText(text []byte) error {
	digits, milli := strings.CutSuffix(string(text), "m")
	value, ok := parseNumber(digits)
	if !milli {
		value *= 1000
	}
	if !ok || value != float64(int(value)) || value < 0 || value > 1e9 {
		return fmt.Errorf("%q is no amount of CPU: write one such as 250m, 0.5 or 2", text)
	}
	*c = CPU(value)
	return nil
}

// MarshalText writes the amount as UnmarshalText reads it.
func (c CPU) MarshalText() ([]byte, error) { return []byte(strconv.Itoa(int(c)) + "m"), nil }

// limit turns unlimited, which is written -1, into the 0 of package kubernetes.
func limit(n int) int { return max(0, n) }

// Kubernetes returns the configuration of Kubernetes for what arrives.
func (s *Scenario) Kubernetes(d *Demand) (kubernetes.Config, error) {
	k := &s.Cluster.Kubernetes
	var mistakes []error
	c := kubernetes.Config{
		Scheduler: kubernetes.Scheduler{
			Weights: kubernetes.Weights(k.Scheduler.Weights), Strategy: k.Scheduler.Strategy,
			PercentageOfNodes: k.Scheduler.PercentageOfNodes, InitialBackoff: k.Scheduler.InitialBackoff, MaxBackoff: k.Scheduler.MaxBackoff,
			LongestUnschedulable: k.Scheduler.LongestUnschedulable, HardPodAffinityWeight: k.Scheduler.HardPodAffinityWeight,
		},
		Kubelet: kubernetes.Kubelet{
			MaxPods: k.Kubelet.MaxPods, QPS: limit(k.Kubelet.QPS), Burst: k.Kubelet.Burst,
			StartRequests: k.Kubelet.StartRequests, ReadyRequests: k.Kubelet.ReadyRequests,
			RegistryQPS: limit(k.Kubelet.RegistryQPS), RegistryBurst: k.Kubelet.RegistryBurst,
			PullBackoff: k.Kubelet.PullBackoff, MaxPullBackoff: k.Kubelet.MaxPullBackoff,
			ParallelPulls: limit(k.Kubelet.ParallelPulls), ParallelLayers: k.Kubelet.ParallelLayers, Creations: limit(k.Kubelet.Creations),
		},
		Registry: kubernetes.Registry{
			Bandwidth: float64(k.Registry.Bandwidth), NodeBandwidth: float64(k.Registry.NodeBandwidth),
			Unpack: float64(k.Registry.Unpack), Disk: int(k.Registry.Disk),
		},
	}
	for _, stage := range []struct {
		law  *Law
		into *distribution
	}{
		{k.Scheduler.Cycle, &c.Scheduler.Cycle}, {k.Scheduler.Bind, &c.Scheduler.Bind},
		{k.Registry.Latency, &c.Registry.Latency}, {k.Registry.Pull, &c.Registry.Pull},
	} {
		if stage.law == nil {
			continue
		}
		law, err := stage.law.Description().Distribution()
		*stage.into = law
		mistakes = append(mistakes, err)
	}
	images := &imageList{of: k.Images, into: &c}
	mistakes = append(mistakes, s.nodeSpecs(&c, images), s.podSpecs(&c, d, images))
	return c, errors.Join(mistakes...)
}

func (s *Scenario) nodeSpecs(c *kubernetes.Config, images *imageList) error {
	var mistakes []error
	for _, g := range s.Cluster.Nodes {
		spec := kubernetes.NodeSpec{Labels: kubernetes.Labels{}}
		for _, text := range g.Labels {
			name, value, err := kubernetes.ParseLabel(text)
			spec.Labels[name] = value
			mistakes = append(mistakes, err)
		}
		for _, text := range g.Taints {
			taint, err := kubernetes.ParseTaint(text)
			spec.Taints = append(spec.Taints, taint)
			mistakes = append(mistakes, err)
		}
		for _, name := range g.Images {
			spec.Images = append(spec.Images, images.get(name, ""))
		}
		for range g.Count {
			c.Nodes = append(c.Nodes, spec)
		}
	}
	return errors.Join(mistakes...)
}

func (s *Scenario) podSpecs(c *kubernetes.Config, d *Demand, images *imageList) error {
	members := map[string][]int{}
	for i, f := range d.Functions {
		members[f.Name] = append(members[f.Name], i)
		if f.Group != "" && f.Group != f.Name {
			members[f.Group] = append(members[f.Group], i)
		}
	}
	var mistakes []error
	for _, f := range d.Functions {
		spec, err := f.Pod.spec(members)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("function %s: %w", f.Name, err))
		}
		spec.MilliCPU = int(f.Resources.CPURequest)
		spec.MemoryMiB = int(f.Resources.MemoryRequest)
		if spec.MemoryMiB == 0 {
			spec.MemoryMiB = int(f.Memory)
		}
		spec.Image = images.get(f.Pod.Image, f.Name)
		c.Pods = append(c.Pods, spec)
	}
	return errors.Join(mistakes...)
}

// spec translates what has been checked.
func (p *Pod) spec(members map[string][]int) (kubernetes.PodSpec, error) {
	var spec kubernetes.PodSpec
	var mistakes []error
	requirements := func(texts []string) (list []kubernetes.Requirement) {
		for _, text := range texts {
			r, err := kubernetes.ParseRequirement(text)
			list, mistakes = append(list, r), append(mistakes, err)
		}
		return list
	}
	spec.NodeSelector = requirements(p.NodeSelector)
	for _, text := range p.Tolerations {
		t, err := kubernetes.ParseToleration(text)
		spec.Tolerations, mistakes = append(spec.Tolerations, t), append(mistakes, err)
	}
	for _, a := range p.NodeAffinity {
		spec.NodeAffinity = append(spec.NodeAffinity, kubernetes.NodePreference{Weight: a.Weight, Match: requirements(a.Match)})
	}
	for _, a := range p.PodAffinity {
		term := kubernetes.PodTerm{Topology: a.Topology, Weight: a.Weight, Anti: a.Kind == "anti-affinity"}
		for _, name := range a.Functions {
			if members[name] == nil {
				mistakes = append(mistakes, fmt.Errorf("pod-affinity: there is no function %q", name))
			}
			term.Functions = append(term.Functions, members[name]...)
		}
		spec.PodAffinity = append(spec.PodAffinity, term)
	}
	for _, c := range p.Spread {
		spec.Spread = append(spec.Spread, kubernetes.SpreadConstraint{Topology: c.Topology, MaxSkew: c.MaxSkew, Hard: c.When == "do-not-schedule"})
	}
	return spec, errors.Join(mistakes...)
}

// imageList numbers images as they are asked for: one with layers of a function's
// own is another one for each function.
type imageList struct {
	of    []Image
	into  *kubernetes.Config
	known map[[2]string]int
}

func (l *imageList) get(name, function string) int {
	for _, of := range l.of {
		if of.Name != name {
			continue
		}
		made := kubernetes.Image{Name: name}
		owner := ""
		for _, layer := range of.Layers {
			label := layer.Name
			if layer.Own {
				owner, label = function, layer.Name+"/"+function
			}
			made.Layers = append(made.Layers, kubernetes.Layer{Name: label, MiB: int(layer.Size)})
		}
		key := [2]string{name, owner}
		if i, known := l.known[key]; known {
			return i
		}
		if l.known == nil {
			l.known = map[[2]string]int{}
		}
		l.known[key] = len(l.into.Images)
		l.into.Images = append(l.into.Images, made)
		return l.known[key]
	}
	return kubernetes.NoImage
}
