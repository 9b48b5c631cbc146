package kubernetes

import (
	"math/rand/v2"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

type (
	duration = time.Duration
	source   = *rand.Rand
)

// none stands for no pod.
const none = -1

// Kubernetes is one cluster's. It implements cluster.Orchestrator.
type Kubernetes struct {
	config    Config
	l         *cluster.Launcher
	functions []*cluster.Function
	nodes     []*node
	random    source // of the scheduler
	pulling   source // of the registry

	topologies map[string]*topology
	towards    [][]incoming // by function: affinities of others to it

	pods      []pod
	free      []int32
	ordered   [][]int32 // by function: pods without a node, by age
	bySandbox []int32

	queue   queue
	cycling bool // a pod is being scheduled
	current entry
	order   []int32 // of the nodes in searches
	start   int     // of the next search
	found   []int32 // scratch

	images []image
	layers []layer
	wire   network

	pulls     []pull
	freePulls []int32
}

// incoming is an affinity of another function's pods.
type incoming struct {
	function int32
	term     PodTerm
}

// pod is a wanted sandbox until it is gone.
type pod struct {
	function int32
	node     int32
	life     int32 // tells apart the pods that had this place
	ticket   int64 // in the scheduling queue; 0: in none
	attempts int
	failures int // pulls
	ordered  des.Time
	since    des.Time // it failed to be scheduled; later, when its present stage began
	sandbox  *cluster.Sandbox
	creating bool // holds one of the node's places for creations
	init     duration
}

// New returns Kubernetes for one run.
func New(c Config) *Kubernetes {
	return &Kubernetes{config: c, queue: queue{flushAt: des.End, rescueAt: des.End}}
}

// The signals. The pod's life is in the kind, so that what was planned for a pod
// that is gone is void.
const (
	signalCycle int32 = iota
	signalFlush
	signalRescue
	signalBound   // the kubelet hears of the pod
	signalPull    // it may ask for the image
	signalCreated // the container is there
	signalInit    // the runtime serves
	signalReady   // and everybody knows
	signalBytes   // a node's first download ends
	signalBegin   // a pull's first byte is due
	signalUnpack  // a layer is unpacked
	signalPulled  // a pull of given length ends
	signalKinds
)

func signal(kind, life, ref int32) cluster.Signal {
	return cluster.Signal{Kind: kind + signalKinds*life, Ref: ref}
}

func (p *pod) signal(kind, id int32) cluster.Signal { return signal(kind, p.life, id) }

// Start implements cluster.Orchestrator.
func (k *Kubernetes) Start(l *cluster.Launcher) error {
	k.l, k.functions = l, l.Functions()
	if err := k.config.Check(len(l.Nodes()), len(k.functions)); err != nil {
		return err
	}
	k.random, k.pulling = k.config.Random("scheduler"), k.config.Random("registry")
	k.ordered = make([][]int32, len(k.functions))
	k.compile()
	for i, of := range l.Nodes() {
		n := &node{spec: &k.config.Nodes[i], of: of, labels: Labels{Hostname: of.Name()}, count: map[int32]int32{}}
		for name, value := range n.spec.Labels {
			n.labels[name] = value
		}
		n.capacity = allocation{1000 * of.AllCores(), of.MemoryMiB()}
		k.nodes = append(k.nodes, n)
	}
	k.divide()
	return nil
}

// divide makes the topologies that anybody asks for.
func (k *Kubernetes) divide() {
	k.topologies = map[string]*topology{}
	k.towards = make([][]incoming, len(k.config.Pods))
	need := func(key string) {
		if k.topologies[key] == nil {
			k.topologies[key] = newTopology(key, k.nodes)
		}
	}
	need(Hostname)
	need(Zone)
	for f, spec := range k.config.Pods {
		for _, c := range spec.Spread {
			need(c.Topology)
		}
		for _, term := range spec.PodAffinity {
			need(term.Topology)
			for _, to := range term.Functions {
				k.towards[to] = append(k.towards[to], incoming{int32(f), term})
			}
		}
	}
	k.order = interleaved(k.topologies[Zone])
}

// Exists implements cluster.Orchestrator.
func (k *Kubernetes) Exists(f *cluster.Function) *cluster.Sandbox {
	i := k.choose(int32(f.Index()))
	if i == noNode {
		return nil
	}
	id := k.take(f)
	k.pods[id].node = i
	k.settle(id, k.l.PlaceExisting(f, int(i)))
	if image := k.config.Pods[f.Index()].Image; image != NoImage {
		k.nodes[i].agent.holds(k, image)
	}
	return k.pods[id].sandbox
}

// Order implements cluster.Orchestrator.
func (k *Kubernetes) Order(f *cluster.Function) {
	id := k.take(f)
	k.ordered[f.Index()] = append(k.ordered[f.Index()], id)
	k.queue.active.push(k.enqueue(id, k.l.Now()))
	k.wake()
}

// Withdraw implements cluster.Orchestrator: the youngest pod goes.
func (k *Kubernetes) Withdraw(f *cluster.Function) {
	list := k.ordered[f.Index()]
	id := list[len(list)-1]
	k.ordered[f.Index()] = list[:len(list)-1]
	k.release(id)
}

// take returns a new pod.
func (k *Kubernetes) take(f *cluster.Function) int32 {
	fresh := pod{function: int32(f.Index()), node: noNode, ordered: k.l.Now()}
	if n := len(k.free); n > 0 {
		id := k.free[n-1]
		k.free = k.free[:n-1]
		fresh.life = k.pods[id].life
		k.pods[id] = fresh
		return id
	}
	k.pods = append(k.pods, fresh)
	return int32(len(k.pods) - 1)
}

// lives bounds the lives that a signal can tell apart.
const lives = 1 << 24

// release ends a pod; what is planned for it is void.
func (k *Kubernetes) release(id int32) {
	life := k.pods[id].life
	k.pods[id] = pod{life: (life + 1) % lives}
	k.free = append(k.free, id)
}

// forget takes the pod off the list of those without a node.
func (k *Kubernetes) forget(id int32) {
	list := &k.ordered[k.pods[id].function]
	for i, other := range *list {
		if other == id {
			*list = append((*list)[:i], (*list)[i+1:]...)
			return
		}
	}
}

// Gone implements cluster.Orchestrator.
func (k *Kubernetes) Gone(s *cluster.Sandbox) {
	id := k.bySandbox[s.ID()]
	p := &k.pods[id]
	n := k.nodes[p.node]
	n.account(p.function, &k.config.Pods[p.function], -1)
	creating := p.creating
	k.bySandbox[s.ID()] = none
	node := p.node
	k.release(id)
	if creating && n.of.Up() {
		k.created(node)
	}
	k.changed()
}

// Changed implements cluster.Orchestrator. A node that is gone has lost its images.
func (k *Kubernetes) Changed(of *cluster.Node) {
	n := k.nodes[of.Index()]
	if n.up && !of.Up() {
		k.cut(int32(of.Index()))
	}
	if !n.up && of.Up() {
		n.agent = k.newKubelet(n)
	}
	n.up = of.Up()
	k.changed()
}

// Handle implements cluster.Orchestrator.
func (k *Kubernetes) Handle(s cluster.Signal) {
	kind, life := s.Kind%signalKinds, s.Kind/signalKinds
	switch kind {
	case signalCycle:
		k.endCycle()
	case signalFlush:
		k.flush()
	case signalRescue:
		k.rescue()
	case signalBytes:
		k.downloaded(s.Ref)
	case signalBegin, signalUnpack, signalPulled:
		k.pulled(kind, life, s.Ref)
	default:
		if k.pods[s.Ref].life == life {
			k.proceed(kind, s.Ref)
		}
	}
}
