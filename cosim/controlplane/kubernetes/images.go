package kubernetes

import (
	"slices"
	"time"

	"microcosm/cosim/des"
)

// image and layer are Config's with layers by number.
type image struct {
	layers []int32
	bytes  int64
}

type layer struct{ bytes int64 }

// compile numbers the layers of all images by their names.
func (k *Kubernetes) compile() {
	numbers := map[string]int32{}
	for _, of := range k.config.Images {
		made := image{}
		for _, l := range of.Layers {
			number, known := numbers[l.Name]
			if !known {
				number = int32(len(k.layers))
				numbers[l.Name] = number
				k.layers = append(k.layers, layer{bytes: int64(l.MiB) << 20})
			}
			made.layers = append(made.layers, number)
			made.bytes += int64(l.MiB) << 20
		}
		k.images = append(k.images, made)
	}
}

// progress is how far a layer has come on a node.
type progress uint8

const (
	absent progress = iota
	downloading
	packed
	unpacking
	present
)

// store is what a node has of images and is pulling.
type store struct {
	layers  []progress         // by number
	images  map[int32]des.Time // that are there, with their last use
	bytes   int64              // of layers that are present
	waiters map[int32][]ticket // pods, by the image that they wait for
	queue   []int32            // images to be pulled
	pulls   []int32            // under way, in Kubernetes.pulls
}

func newStore(layers int) store {
	return store{layers: make([]progress, layers), images: map[int32]des.Time{}, waiters: map[int32][]ticket{}}
}

// has reports whether the whole image is on the node.
func (a *kubelet) has(_ []image, i int) bool {
	_, there := a.store.images[int32(i)]
	return there
}

// holds puts an image on the node.
func (a *kubelet) holds(k *Kubernetes, i int) {
	for _, l := range k.images[i].layers {
		if a.store.layers[l] != present {
			a.store.layers[l] = present
			a.store.bytes += k.layers[l].bytes
		}
	}
	a.store.images[int32(i)] = k.l.Now()
}

// pull is one image on its way to one node.
type pull struct {
	node, image int32
	life        int32
	next        int  // layer to be asked for
	active      int  // layers being downloaded
	unpacked    int  // layers, from the lowest
	unpacking   bool // the one after them
}

// pull gets the image of a pod, or the pod waits for the pull that is under way.
func (k *Kubernetes) pull(id int32) {
	p := &k.pods[id]
	i := int32(k.config.Pods[p.function].Image)
	s := &k.nodes[p.node].agent.store
	if i == NoImage {
		k.create(id)
		return
	}
	if _, there := s.images[i]; there {
		s.images[i] = k.l.Now()
		k.create(id)
		return
	}
	_, under := s.waiters[i]
	s.waiters[i] = append(s.waiters[i], ticket{id, p.life})
	if !under {
		s.queue = append(s.queue, i)
		k.nextPull(p.node)
	}
}

// nextPull begins pulls while the kubelet allows more.
func (k *Kubernetes) nextPull(node int32) {
	agent, limit := &k.nodes[node].agent, k.config.Kubelet.ParallelPulls
	for s := &agent.store; len(s.queue) > 0 && (limit == 0 || len(s.pulls) < limit); {
		i := s.queue[0]
		s.queue = s.queue[1:]
		if agent.registry.accept(k.l.Now()) {
			k.beginPull(node, i)
		} else {
			k.refuse(s, i)
		}
	}
}

// refuse fails a pull that is one too many for the registry's limit; its pods try
// again after a backoff that doubles (pkg/kubelet/images/image_manager.go).
func (k *Kubernetes) refuse(s *store, image int32) {
	tickets := s.waiters[image]
	delete(s.waiters, image)
	for _, t := range tickets {
		if p := &k.pods[t.pod]; p.life == t.life {
			p.failures++
			c := &k.config.Kubelet
			wait := c.PullBackoff
			for range p.failures - 1 {
				wait = min(2*wait, c.MaxPullBackoff)
			}
			k.l.Remind(k.l.Now().Add(wait), p.signal(signalPull, t.pod))
		}
	}
}

func (k *Kubernetes) beginPull(node, image int32) {
	id := int32(len(k.pulls))
	if n := len(k.freePulls); n > 0 {
		id, k.freePulls = k.freePulls[n-1], k.freePulls[:n-1]
	} else {
		k.pulls = append(k.pulls, pull{})
	}
	life := k.pulls[id].life
	k.pulls[id] = pull{node: node, image: image, life: life}
	s := &k.nodes[node].agent.store
	s.pulls = append(s.pulls, id)
	k.l.Pulled()
	kind, takes := signalBegin, draw(k.config.Registry.Latency, k.pulling)
	if law := k.config.Registry.Pull; law != nil {
		kind, takes = signalPulled, draw(law, k.pulling)
	}
	k.l.Remind(k.l.Now().Add(takes), signal(kind, life, id))
}

// pulled handles what happens to a pull.
func (k *Kubernetes) pulled(kind, life, id int32) {
	pl := &k.pulls[id]
	if pl.life != life {
		return
	}
	switch kind {
	case signalBegin:
		k.fetch(id)
	case signalUnpack:
		pl.unpacking = false
		k.unpackedLayer(pl.node, k.images[pl.image].layers[pl.unpacked])
	case signalPulled:
		k.nodes[pl.node].agent.holds(k, int(pl.image))
		pl.unpacked = len(k.images[pl.image].layers)
	}
	k.advance(k.pulls[id].node)
}

// fetch downloads layers of an image while it may have more under way.
func (k *Kubernetes) fetch(id int32) {
	pl := &k.pulls[id]
	layers := k.images[pl.image].layers
	states := k.nodes[pl.node].agent.store.layers
	for pl.active < k.config.Kubelet.ParallelLayers && pl.next < len(layers) {
		l := layers[pl.next]
		pl.next++
		if states[l] > downloading {
			continue
		}
		if k.wire.download(k, pl.node, l, id) {
			states[l] = downloading
			pl.active++
		} else {
			states[l] = packed
		}
	}
}

// downloaded handles the end of a node's first downloads.
func (k *Kubernetes) downloaded(node int32) {
	for _, f := range k.wire.finished(k, node) {
		k.nodes[node].agent.store.layers[f.layer] = packed
		for _, id := range f.pulls {
			k.pulls[id].active--
			k.fetch(id)
		}
	}
	k.wire.share(k, node)
	k.advance(node)
}

// advance unpacks what can be unpacked on a node, and ends pulls that are complete.
func (k *Kubernetes) advance(node int32) {
	for _, id := range slices.Clone(k.nodes[node].agent.store.pulls) {
		k.unpack(id)
	}
}

// unpack unpacks the layers of an image from the lowest on. One that another pull
// has in its hands is waited for.
func (k *Kubernetes) unpack(id int32) {
	pl := &k.pulls[id]
	layers := k.images[pl.image].layers
	states := k.nodes[pl.node].agent.store.layers
	for !pl.unpacking && pl.unpacked < len(layers) {
		l := layers[pl.unpacked]
		speed := k.config.Registry.Unpack
		switch {
		case states[l] == present:
			pl.unpacked++
		case states[l] != packed:
			return
		case speed == 0:
			k.unpackedLayer(pl.node, l)
		default:
			states[l], pl.unpacking = unpacking, true
			takes := time.Duration(float64(k.layers[l].bytes) / speed * 1e9)
			k.l.Remind(k.l.Now().Add(takes), signal(signalUnpack, pl.life, id))
		}
	}
	if !pl.unpacking && k.begun(pl) {
		k.complete(id)
	}
}

// begun reports that a pull whose layers are all there has had its latency.
func (k *Kubernetes) begun(pl *pull) bool {
	layers := k.images[pl.image].layers
	return pl.unpacked == len(layers) && (pl.next == len(layers) || k.config.Registry.Pull != nil)
}

func (k *Kubernetes) unpackedLayer(node, l int32) {
	s := &k.nodes[node].agent.store
	s.layers[l] = present
	s.bytes += k.layers[l].bytes
}

// complete gives the image to all that waited for it.
func (k *Kubernetes) complete(id int32) {
	pl := k.pulls[id]
	k.freePull(id)
	s := &k.nodes[pl.node].agent.store
	s.pulls = slices.DeleteFunc(s.pulls, func(other int32) bool { return other == id })
	s.images[pl.image] = k.l.Now()
	tickets := s.waiters[pl.image]
	delete(s.waiters, pl.image)
	k.collect(pl.node, pl.image)
	for _, t := range tickets {
		if k.pods[t.pod].life == t.life {
			k.create(t.pod)
		}
	}
	k.nextPull(pl.node)
}

func (k *Kubernetes) freePull(id int32) {
	k.pulls[id].life = (k.pulls[id].life + 1) % lives
	k.freePulls = append(k.freePulls, id)
}

// collect removes the images used least recently while they take more than the disk
// has for them; those of pods on the node, and the one just pulled, stay.
func (k *Kubernetes) collect(node, pulled int32) {
	n, s := k.nodes[node], &k.nodes[node].agent.store
	disk := int64(k.config.Registry.Disk) << 20
	if disk == 0 {
		return
	}
	used := map[int32]bool{pulled: true}
	for f := range n.count {
		used[int32(k.config.Pods[f].Image)] = true
	}
	for s.bytes > disk {
		oldest, found := int32(0), false
		for i, last := range s.images {
			if !used[i] && (!found || last < s.images[oldest] || last == s.images[oldest] && i < oldest) {
				oldest, found = i, true
			}
		}
		if !found {
			return
		}
		delete(s.images, oldest)
		k.drop(node, oldest)
	}
}

// drop removes the layers that only this image has.
func (k *Kubernetes) drop(node, gone int32) {
	s := &k.nodes[node].agent.store
	kept := map[int32]bool{}
	keep := func(i int32) {
		for _, l := range k.images[i].layers {
			kept[l] = true
		}
	}
	for i := range s.images {
		keep(i)
	}
	for _, id := range s.pulls {
		keep(k.pulls[id].image)
	}
	for _, l := range k.images[gone].layers {
		if s.layers[l] == present && !kept[l] {
			s.layers[l] = absent
			s.bytes -= k.layers[l].bytes
		}
	}
}

// cut ends everything that a node was about.
func (k *Kubernetes) cut(node int32) {
	for _, id := range k.nodes[node].agent.store.pulls {
		k.freePull(id)
	}
	k.nodes[node].agent = kubelet{store: newStore(len(k.layers))}
	k.wire.cut(k, node)
}
