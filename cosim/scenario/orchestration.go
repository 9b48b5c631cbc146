package scenario

import (
	"reflect"
	"slices"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/controlplane/kubernetes"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
	"microcosm/loadgen"
)

type distribution = servicetime.Distribution

// Resources are what a sandbox requests, and what it uses of it.
type Resources struct {
	// CPURequest is how much CPU a sandbox requests, such as 250m or 2; none unless given. Kubernetes counts it, and the discipline cfs shares cores by it.
	CPURequest CPU `yaml:"cpu-request"`
	// CPULimit is how much CPU it may use under the discipline cfs; without a limit unless given.
	CPULimit CPU `yaml:"cpu-limit"`
	// MemoryRequest is how much memory it requests; all that it may use unless given.
	MemoryRequest MiB `yaml:"memory-request" range:"1MiB.."`
	// MemoryIdle is how much of its memory a sandbox without calls uses. Who uses more than its memory is ended with the calls in it; where a node has none left, who uses most beyond its request. What it requests, where only other functions say.
	MemoryIdle MiB `yaml:"memory-idle" range:"1MiB.."`
	// MemoryPerCall is how much each call uses on top.
	MemoryPerCall *SizeLaw `yaml:"memory-per-call"`
}

// SizeLaw is a law of an amount of memory.
type SizeLaw struct {
	// Law is the family.
	Law string `yaml:"law" need:"always" words:"deterministic|exponential|lognormal|hyperexponential"`
	// Mean of the law.
	Mean MiB `yaml:"mean" need:"always" range:"1MiB.."`
	// CV is the coefficient of variation: above 0 for lognormal, above 1 for hyperexponential.
	CV float64 `yaml:"cv" only:"law=lognormal|hyperexponential" need:"always"`
}

// asLaw returns the law with a nanosecond for a byte.
func (l SizeLaw) asLaw() Law { return Law{Law: l.Law, Mean: time.Duration(l.Mean) << 20, CV: l.CV} }

func (l *SizeLaw) check(r *reader, p place) {
	law := l.asLaw()
	law.check(r, p)
}

// sizes is a law of package cluster, in bytes.
type sizes struct{ bytes distribution }

// QuantileMiB implements cluster.Sizes: whole MiB, rounded up.
func (s sizes) QuantileMiB(u float64) int { return int((s.bytes.Quantile(u) + 1<<20 - 1) >> 20) }

// Memory returns what the sandboxes of a function use; nil where nobody says.
func (m Resources) Memory() (*cluster.MemoryUse, error) {
	if m.MemoryIdle == 0 && m.MemoryPerCall == nil {
		return nil, nil
	}
	use := &cluster.MemoryUse{IdleMiB: int(m.MemoryIdle)}
	if m.MemoryPerCall == nil {
		return use, nil
	}
	law, err := m.MemoryPerCall.asLaw().Description().Distribution()
	use.Invocation = sizes{law}
	return use, err
}

// checkMemory reports requests and uses that a function's memory cannot hold.
func (m *Resources) checkMemory(r *reader, p place, memory MiB) {
	for key, size := range map[string]MiB{"memory-request": m.MemoryRequest, "memory-idle": m.MemoryIdle} {
		if size > memory && r.sound(p, key) {
			r.wrong(p.child(key), "is more than the function's memory, %s: lower it, or raise memory", format(field{}, reflect.ValueOf(memory)))
		}
	}
}

// checkCPU reports a limit that nothing keeps, or that is less than the request.
func (s *Scenario) checkCPU(r *reader, c, p place, m *Resources) {
	limit := p.child("cpu-limit")
	if limit.node == nil || !r.sound(p, "cpu-limit", "cpu-request") || !r.sound(c, "discipline") {
		return
	}
	switch {
	case s.Cluster.Discipline != cluster.CFS:
		r.wrong(place{path: limit.path, key: limit.key}, "goes with cluster.discipline: cfs only: remove it")
	case m.CPULimit == 0 || m.CPURequest > m.CPULimit:
		r.wrong(limit, "a sandbox could do nothing, or less than it requests: raise the limit")
	}
}

// kubernetesKeys are the keys that only Kubernetes asks for.
var kubernetesKeys = []string{"labels", "taints", "images"}

// checkOrchestration reports what contradicts the choice of an orchestrator.
func (s *Scenario) checkOrchestration(r *reader, p place) {
	c := p.child("cluster")
	chosen := s.Cluster.Orchestrator == "kubernetes"
	if !r.sound(c, "orchestrator") {
		return
	}
	for i := range s.Cluster.Nodes {
		s.checkNodePod(r, c.child("nodes"), i, chosen)
	}
	s.checkCPU(r, c, c.child("resources"), &s.Cluster.Resources)
	functions := p.child("workload").child("functions")
	for i := range s.Workload.Functions {
		f := &s.Workload.Functions[i]
		at := functions.item(i)
		if f.Pod != nil && !chosen {
			r.wrong(at.child("pod"), "goes with cluster.orchestrator: kubernetes only: remove it")
		} else if f.Pod != nil {
			s.checkPod(r, at.child("pod"), f.Pod)
		}
		if chosen && f.KeepAlive != nil && evicts(f.KeepAlive.With) {
			r.wrong(at.child("keep-alive"), "%s", evictsProblem)
		}
		if f.Resources != nil {
			f.Resources.checkMemory(r, at.child("resources"), s.demandMemory(f))
			s.checkCPU(r, c, at.child("resources"), f.Resources)
		} else {
			s.Cluster.Resources.checkMemory(r, c.child("resources"), s.demandMemory(f))
		}
	}
	if !chosen {
		return
	}
	if at := c.child("placement"); at.node != nil && s.Cluster.Placement.Name != "spread" && r.sound(c, "placement") {
		r.wrong(place{path: at.path, key: at.key}, "is decided by the scheduler where orchestrator is kubernetes: remove it")
	}
	if at := c.child("keep-alive"); evicts(s.Cluster.KeepAlive.With) && r.sound(c, "keep-alive") {
		r.wrong(at, "%s", evictsProblem)
	}
	s.checkKubernetes(r, c.child("kubernetes"))
}

const evictsProblem = "gives up sandboxes for memory, which Kubernetes does not: take another keep-alive"

func evicts(k policy.Keeping) bool { _, does := k.(policy.GreedyDual); return does }

func (s *Scenario) checkNodePod(r *reader, nodes place, i int, chosen bool) {
	if nodes.node == nil || i >= len(nodes.node.items) {
		return
	}
	at := nodes.item(i)
	g := &s.Cluster.Nodes[i]
	if c := at.child("memory-overcommit"); c.node != nil && g.MemoryOvercommit != 1 && r.sound(at, "memory", "memory-overcommit") {
		switch {
		case chosen:
			r.wrong(place{path: c.path, key: c.key}, "is what resources.memory-request is for where orchestrator is kubernetes: remove it")
		case g.Memory == 0:
			r.wrong(place{path: c.path, key: c.key}, "goes with memory: a node without a limit has no more to give out")
		}
	}
	if c := at.child("max-sandboxes"); c.node != nil && chosen {
		r.wrong(place{path: c.path, key: c.key}, "is cluster.kubernetes.kubelet.max-pods where orchestrator is kubernetes: remove it")
	}
	if !chosen {
		for _, key := range kubernetesKeys {
			if c := at.child(key); c.node != nil {
				r.wrong(place{path: c.path, key: c.key}, "goes with cluster.orchestrator: kubernetes only: remove it")
			}
		}
		return
	}
	r.checkEach(at.child("labels"), g.Labels, func(text string) error { _, _, err := kubernetes.ParseLabel(text); return err })
	r.checkEach(at.child("taints"), g.Taints, func(text string) error { _, err := kubernetes.ParseTaint(text); return err })
	s.checkImages(r, at.child("images"), g.Images)
}

// checkEach reports the items of a list of texts that cannot be read. A list of one
// may be written as the text.
func (r *reader) checkEach(p place, texts []string, read func(text string) error) {
	for i, text := range texts {
		if err := read(text); err != nil {
			at := p
			if p.node != nil && p.node.kind == listNode {
				at = p.item(i)
			}
			r.wrong(at, "%v", err)
		}
	}
}

func (s *Scenario) checkImages(r *reader, p place, names []string) {
	var known []string
	for _, i := range s.Cluster.Kubernetes.Images {
		known = append(known, i.Name)
	}
	for i, name := range names {
		at := p
		if p.node != nil && p.node.kind == listNode {
			at = p.item(i)
		}
		switch {
		case len(known) == 0:
			r.wrong(at, "there is no image %q: add it to cluster.kubernetes.images", name)
		case !slices.Contains(known, name):
			r.wrong(at, "there is no image %q: %s", name, suggest(name, known))
		}
	}
}

func (s *Scenario) checkKubernetes(r *reader, p place) {
	k := &s.Cluster.Kubernetes
	if at := p.child("scheduler"); k.Scheduler.MaxBackoff < k.Scheduler.InitialBackoff && r.sound(at, "pod-initial-backoff", "pod-max-backoff") {
		r.wrong(at.child("pod-max-backoff"), "is less than pod-initial-backoff, %v", k.Scheduler.InitialBackoff)
	}
	if at := p.child("kubelet"); k.Kubelet.MaxPullBackoff < k.Kubelet.PullBackoff && r.sound(at, "image-pull-backoff", "image-pull-max-backoff") {
		r.wrong(at.child("image-pull-max-backoff"), "is less than image-pull-backoff, %v", k.Kubelet.PullBackoff)
	}
	sizes := map[string]Layer{}
	seen := map[string]bool{}
	for i, image := range k.Images {
		at := p.child("images").item(i)
		if seen[image.Name] {
			r.wrong(at.child("name"), "there are two images %q: give each its own name", image.Name)
		}
		seen[image.Name] = true
		for j, layer := range image.Layers {
			if before, known := sizes[layer.Name]; known && (before.Size != layer.Size || before.Own != layer.Own) {
				r.wrong(at.child("layers").item(j), "layer %q is another one in another image: layers of one name are the same", layer.Name)
			}
			sizes[layer.Name] = layer
		}
	}
	s.checkPod(r, p.child("pod"), &k.Pod)
}

func (s *Scenario) checkPod(r *reader, p place, pod *Pod) {
	if p.node == nil {
		return
	}
	requirement := func(text string) error { _, err := kubernetes.ParseRequirement(text); return err }
	r.checkEach(p.child("node-selector"), pod.NodeSelector, requirement)
	r.checkEach(p.child("tolerations"), pod.Tolerations, func(text string) error { _, err := kubernetes.ParseToleration(text); return err })
	for i, a := range pod.NodeAffinity {
		r.checkEach(p.child("node-affinity").item(i).child("match"), a.Match, requirement)
	}
	if pod.Image != "" {
		s.checkImages(r, p.child("image"), []string{pod.Image})
	}
	if s.Workload.Trace != nil || len(s.Workload.Workflows) > 0 {
		return // their functions are known later
	}
	for i, a := range pod.PodAffinity {
		at := p.child("pod-affinity").item(i).child("functions")
		for j, name := range a.Functions {
			if known := s.functionNames(); !slices.Contains(known, name) {
				if at.node.kind == listNode {
					r.wrong(at.item(j), "there is no function %q: %s", name, suggest(name, known))
				} else {
					r.wrong(at, "there is no function %q: %s", name, suggest(name, known))
				}
			}
		}
	}
}

// functionNames lists the names of functions and of their copies.
func (s *Scenario) functionNames() (names []string) {
	if m := s.Workload.RPS; m != nil && m.Description().Validate() == nil {
		names = append(names, loadgen.WarmFunction, loadgen.ColdFunction)
		for i := range m.Description().ColdFunctions() {
			names = append(names, numbered(loadgen.ColdFunction, i))
		}
	}
	for _, f := range s.Workload.Functions {
		names = append(names, f.Name)
		for i := range f.Copies {
			if f.Copies > 1 {
				names = append(names, numbered(f.Name, i))
			}
		}
	}
	return names
}
