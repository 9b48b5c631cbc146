package kubernetes

import (
	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

// kubelet is the agent of a node with its container runtime.
type kubelet struct {
	api      bucket
	registry bucket
	creating int      // containers
	waiting  []ticket // pods whose containers are to be created
	store    store
}

// ticket names a pod in one of its lives.
type ticket struct{ pod, life int32 }

func (k *Kubernetes) newKubelet(n *node) kubelet {
	c := &k.config.Kubelet
	agent := kubelet{api: newBucket(c.QPS, c.Burst), registry: newBucket(c.RegistryQPS, c.RegistryBurst)}
	// A node that comes later starts with full buckets too.
	agent.api.level(k.l.Now())
	agent.registry.level(k.l.Now())
	agent.store = newStore(len(k.layers))
	for _, i := range n.spec.Images {
		agent.holds(k, i)
	}
	return agent
}

// proceed takes a pod to its next stage.
func (k *Kubernetes) proceed(kind, id int32) {
	p, now := &k.pods[id], k.l.Now()
	agent, c := &k.nodes[p.node].agent, &k.config.Kubelet
	switch kind {
	case signalBound:
		k.l.Took(cluster.StageSchedule, now.Sub(p.ordered))
		k.at(agent.api.reserve(now, c.StartRequests), signalPull, id)
	case signalPull:
		if p.failures == 0 {
			p.since = now
		}
		k.pull(id)
	case signalCreated:
		p.creating = false
		k.created(p.node)
		k.at(now.Add(p.init), signalInit, id)
	case signalInit:
		k.at(agent.api.reserve(now, c.ReadyRequests), signalReady, id)
	case signalReady:
		k.l.Ready(p.sandbox, now.Sub(p.ordered))
	}
}

// at takes a pod to its next stage at an instant.
func (k *Kubernetes) at(when des.Time, kind, id int32) {
	if when == k.l.Now() {
		k.proceed(kind, id)
		return
	}
	k.l.Remind(when, k.pods[id].signal(kind, id))
}

// create makes the container of a pod whose image is there, when it is its turn.
func (k *Kubernetes) create(id int32) {
	p := &k.pods[id]
	k.l.Took(cluster.StagePull, k.l.Now().Sub(p.since))
	p.since = k.l.Now()
	agent := &k.nodes[p.node].agent
	if limit := k.config.Kubelet.Creations; limit > 0 && agent.creating >= limit {
		agent.waiting = append(agent.waiting, ticket{id, p.life})
		return
	}
	k.beginCreation(id)
}

func (k *Kubernetes) beginCreation(id int32) {
	p := &k.pods[id]
	p.creating = true
	k.nodes[p.node].agent.creating++
	create, init := k.l.Startup(p.sandbox)
	p.init = init
	now := k.l.Now()
	k.l.Took(cluster.StageCreate, now.Add(create).Sub(p.since))
	k.l.Took(cluster.StageInit, init)
	k.at(now.Add(create), signalCreated, id)
}

// created frees a place for creations, and gives it to the pod that waited longest.
func (k *Kubernetes) created(node int32) {
	agent := &k.nodes[node].agent
	agent.creating--
	for len(agent.waiting) > 0 {
		next := agent.waiting[0]
		agent.waiting = agent.waiting[1:]
		if k.pods[next.pod].life == next.life {
			k.beginCreation(next.pod)
			return
		}
	}
}
