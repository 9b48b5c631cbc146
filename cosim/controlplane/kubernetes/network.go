package kubernetes

import (
	"cmp"
	"math"
	"slices"
	"time"

	"microcosm/cosim/des"
)

// network shares bandwidth among downloads: max-min fair over the link of each node
// and that of the registry (Bertsekas and Gallager, Data Networks, section 6.5.2).
// Downloads of one node all have the same speed, so that one virtual clock per node,
// which counts the bytes that each has got, orders their ends.
type network struct{ links []link }

// link is the downloads of one node.
type link struct {
	flows   []flow
	virtual float64 // bytes that each has got since the link was last idle
	updated des.Time
	speed   float64 // bytes per nanosecond, of each
	timer   des.Timer
}

// flow is the download of one layer, for every pull that wants it.
type flow struct {
	finish float64
	layer  int32
	pulls  []int32
}

// download has a pull take part in the download of a layer. It reports false where
// that takes no time.
func (w *network) download(k *Kubernetes, node, layer, id int32) bool {
	if w.links == nil {
		w.links = make([]link, len(k.nodes))
	}
	l := &w.links[node]
	for i := range l.flows {
		if l.flows[i].layer == layer {
			l.flows[i].pulls = append(l.flows[i].pulls, id)
			return true
		}
	}
	bytes := k.layers[layer].bytes
	k.l.Downloaded(bytes)
	if r := &k.config.Registry; r.Bandwidth == 0 && r.NodeBandwidth == 0 || bytes == 0 {
		return false
	}
	if len(l.flows) == 0 {
		l.virtual = 0
	}
	l.advance(k.l.Now())
	l.flows = append(l.flows, flow{finish: l.virtual + float64(bytes), layer: layer, pulls: []int32{id}})
	w.share(k, node)
	return true
}

func (l *link) advance(now des.Time) {
	if len(l.flows) > 0 && now > l.updated {
		l.virtual += l.speed * float64(now-l.updated)
	}
	l.updated = now
}

// finished returns the downloads of a node that end now. The speeds of the others are
// to be shared anew.
func (w *network) finished(k *Kubernetes, node int32) (done []flow) {
	l := &w.links[node]
	l.advance(k.l.Now())
	// The clock counts whole nanoseconds: what rounding gave is not carried on.
	l.virtual = max(l.virtual, l.first())
	l.flows = slices.DeleteFunc(l.flows, func(f flow) bool {
		over := f.finish <= l.virtual
		if over {
			done = append(done, f)
		}
		return over
	})
	return done
}

func (l *link) first() float64 {
	first := math.Inf(1)
	for _, f := range l.flows {
		first = min(first, f.finish)
	}
	return first
}

// share gives the downloads their speeds after those of a node have changed.
func (w *network) share(k *Kubernetes, node int32) {
	own := perNanosecond(k.config.Registry.NodeBandwidth)
	if k.config.Registry.Bandwidth == 0 {
		w.replan(k, node, own/float64(len(w.links[node].flows)))
		return
	}
	level := w.level(own, perNanosecond(k.config.Registry.Bandwidth))
	for i := range w.links {
		if n := len(w.links[i].flows); n > 0 || int32(i) == node {
			w.replan(k, int32(i), min(level, own/float64(n)))
		}
	}
}

// perNanosecond turns a bandwidth around; one that is 0 has no limit.
func perNanosecond(bandwidth float64) float64 {
	if bandwidth == 0 {
		return math.Inf(1)
	}
	return bandwidth / 1e9
}

// level returns the speed of the downloads that their own node does not hold back
// further: the registry's bandwidth less what the others take, in equal parts.
func (w *network) level(own, all float64) float64 {
	var counts []int
	left, flows := all, 0
	for i := range w.links {
		if n := len(w.links[i].flows); n > 0 {
			counts = append(counts, n)
			flows += n
		}
	}
	slices.SortFunc(counts, func(a, b int) int { return cmp.Compare(b, a) }) // the slowest first
	for _, n := range counts {
		if own/float64(n) >= left/float64(flows) {
			return left / float64(flows)
		}
		left -= own
		flows -= n
	}
	return math.Inf(1)
}

// replan gives the downloads of a node a speed, and foretells the first end.
func (w *network) replan(k *Kubernetes, node int32, speed float64) {
	l := &w.links[node]
	l.advance(k.l.Now())
	k.l.Cancel(l.timer)
	l.speed = speed
	if len(l.flows) > 0 {
		takes := time.Duration(math.Ceil(max(0, l.first()-l.virtual) / speed))
		l.timer = k.l.Remind(k.l.Now().Add(takes), signal(signalBytes, 0, node))
	}
}

// cut ends the downloads of a node that is gone.
func (w *network) cut(k *Kubernetes, node int32) {
	if w.links == nil {
		return
	}
	k.l.Cancel(w.links[node].timer)
	w.links[node].flows = nil
	w.share(k, node)
}
