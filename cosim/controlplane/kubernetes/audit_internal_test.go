package kubernetes

import (
	"errors"
	"fmt"
	"slices"
)

// Audit returns every way in which what Kubernetes keeps contradicts itself. It counts
// everything anew.
func (k *Kubernetes) Audit() error {
	var wrong []error
	claim := func(holds bool, format string, args ...any) {
		if !holds {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	for i, n := range k.nodes {
		k.auditBooks(int32(i), n, claim)
		if n.up && n.of.Up() { // else it is being left, and has lost all of it once Changed is called
			k.auditStore(int32(i), n, claim)
			k.auditCreations(int32(i), n, claim)
		}
	}
	k.auditQueue(claim)
	k.auditWire(claim)
	return errors.Join(wrong...)
}

// living calls with each pod that is there.
func (k *Kubernetes) living(with func(id int32, p *pod)) {
	for id := range k.pods {
		if !slices.Contains(k.free, int32(id)) {
			with(int32(id), &k.pods[id])
		}
	}
}

func (k *Kubernetes) auditBooks(i int32, n *node, claim func(bool, string, ...any)) {
	var used, asked allocation
	pods, count := 0, map[int32]int32{}
	k.living(func(_ int32, p *pod) {
		if p.node == i {
			request, nonzero := k.config.Pods[p.function].request()
			used.add(request, 1)
			asked.add(nonzero, 1)
			pods++
			count[p.function]++
		}
	})
	claim(used == n.used && asked == n.asked, "node %d: %v and %v are booked, %v and %v are there", i, n.used, n.asked, used, asked)
	claim(pods == n.pods && pods <= k.config.Kubelet.MaxPods, "node %d: %d pods are booked, %d are there", i, n.pods, pods)
	claim(fmt.Sprint(count) == fmt.Sprint(n.count), "node %d: pods by function: %v are booked, %v are there", i, n.count, count)
}

func (k *Kubernetes) auditStore(i int32, n *node, claim func(bool, string, ...any)) {
	s, limit := &n.agent.store, k.config.Kubelet.ParallelPulls
	bytes := int64(0)
	for l, state := range s.layers {
		if state == present {
			bytes += k.layers[l].bytes
		}
		downloads := 0
		if k.wire.links != nil {
			for _, f := range k.wire.links[i].flows {
				if f.layer == int32(l) {
					downloads++
				}
			}
		}
		claim((state == downloading) == (downloads == 1) && downloads <= 1, "node %d: layer %d is %d and has %d downloads", i, l, state, downloads)
	}
	claim(bytes == s.bytes, "node %d: %d bytes of layers are booked, %d are there", i, s.bytes, bytes)
	for image := range s.images {
		for _, l := range k.images[image].layers {
			claim(s.layers[l] == present, "node %d: image %d is there, its layer %d is not", i, image, l)
		}
	}
	claim(limit == 0 || len(s.pulls) <= limit, "node %d: %d pulls, of at most %d", i, len(s.pulls), limit)
	claim(len(s.queue) == 0 || len(s.pulls) == limit, "node %d: %d images wait beside %d pulls", i, len(s.queue), len(s.pulls))
	wanted := map[int32]int{}
	for _, id := range s.pulls {
		pl := &k.pulls[id]
		claim(pl.node == i && !slices.Contains(k.freePulls, id), "node %d: pull %d is not its own", i, id)
		claim(pl.active >= 0 && pl.active <= k.config.Kubelet.ParallelLayers, "node %d: pull %d has %d layers under way", i, id, pl.active)
		wanted[pl.image]++
	}
	for _, image := range s.queue {
		wanted[image]++
	}
	for image, times := range wanted {
		_, there := s.images[image]
		claim(times == 1 && !there && len(s.waiters[image]) > 0, "node %d: image %d is pulled %d times for %d pods, there: %v", i, image, times, len(s.waiters[image]), there)
	}
	claim(len(wanted) == len(s.waiters), "node %d: pods wait for %d images, %d are pulled", i, len(s.waiters), len(wanted))
}

func (k *Kubernetes) auditCreations(i int32, n *node, claim func(bool, string, ...any)) {
	limit, creating, waiting := k.config.Kubelet.Creations, 0, 0
	k.living(func(_ int32, p *pod) {
		if p.node == i && p.creating {
			creating++
		}
	})
	for _, t := range n.agent.waiting {
		if k.pods[t.pod].life == t.life {
			waiting++
		}
	}
	claim(creating == n.agent.creating && (limit == 0 || creating <= limit), "node %d: %d containers are being created, %d are booked", i, creating, n.agent.creating)
	claim(waiting == 0 || creating == limit, "node %d: %d pods wait while %d are created", i, waiting, creating)
}

// auditQueue: a pod without a node is in one queue, or just being scheduled.
func (k *Kubernetes) auditQueue(claim func(bool, string, ...any)) {
	places := map[int32]int{}
	for _, list := range [][]entry{k.queue.active, k.queue.backingOff, k.queue.unschedulable} {
		for _, e := range list {
			if k.valid(e) {
				places[e.pod]++
			}
		}
	}
	if k.cycling && k.valid(k.current) {
		places[k.current.pod]++
	}
	without := 0
	k.living(func(id int32, p *pod) {
		if p.node == noNode {
			without++
			claim(places[id] == 1, "pod %d without a node is in %d queues", id, places[id])
			claim(slices.Contains(k.ordered[p.function], id), "pod %d without a node is not among those ordered", id)
		} else {
			claim(places[id] == 0, "pod %d on node %d is in %d queues", id, p.node, places[id])
		}
	})
	for _, list := range k.ordered {
		without -= len(list)
	}
	claim(without == 0, "%d more pods without a node than ordered", without)
	claim(k.cycling || len(k.queue.active) == 0 || !slices.ContainsFunc(k.queue.active, k.valid), "nobody is scheduled, though pods are to be tried")
}

// auditWire: no link carries more than it can, nor the registry.
func (k *Kubernetes) auditWire(claim func(bool, string, ...any)) {
	r, sum := &k.config.Registry, 0.0
	for i := range k.wire.links {
		l := &k.wire.links[i]
		carries := l.speed * 1e9 * float64(len(l.flows))
		if len(l.flows) == 0 {
			continue
		}
		sum += carries
		claim(l.speed > 0 && (r.NodeBandwidth == 0 || carries <= r.NodeBandwidth*(1+1e-9)), "node %d gets %v bytes per second of %v", i, carries, r.NodeBandwidth)
		for _, f := range l.flows {
			claim(f.finish >= l.virtual-1, "node %d: the download of layer %d is overdue", i, f.layer)
			for _, id := range f.pulls {
				claim(slices.Contains(k.nodes[i].agent.store.pulls, id), "node %d: layer %d comes for pull %d, which is over", i, f.layer, id)
			}
		}
	}
	claim(r.Bandwidth == 0 || sum <= r.Bandwidth*(1+1e-9), "the registry gives %v bytes per second of %v", sum, r.Bandwidth)
}
