package kubernetes_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/controlplane/kubernetes"
	"microcosm/cosim/servicetime"
)

// fluid is nodes that pull images, as water: every download has a speed, all speeds
// rise alike until a link or the registry is full, and between two events nothing
// changes. Times are in seconds, sizes in MiB.
type fluid struct {
	images                 []kubernetes.Image
	registry, link, unpack float64 // MiB per second; 0: without a limit
	latency                float64
	pulls, layers          int // at a time
	nodes                  []*fluidNode
	now                    float64
	ready                  map[string]float64
}

type fluidNode struct {
	left    map[string]float64 // of layers being downloaded
	packed  map[string]bool    // downloaded
	present map[string]bool    // unpacked
	busy    map[string]float64 // being unpacked, until
	line    []*fluidPull       // to begin
	active  []*fluidPull
	whole   map[int]bool // images
}

type fluidPull struct {
	image int
	names []string // who wait for it
	begin float64  // of its first byte
	next  int      // layer
}

func newFluid(nodes int) *fluid {
	f := &fluid{ready: map[string]float64{}}
	for range nodes {
		f.nodes = append(f.nodes, &fluidNode{left: map[string]float64{}, packed: map[string]bool{}, present: map[string]bool{}, busy: map[string]float64{}, whole: map[int]bool{}})
	}
	return f
}

// want has somebody wait for an image on a node.
func (f *fluid) want(node, image int, name string) {
	n := f.nodes[node]
	if n.whole[image] {
		f.ready[name] = f.now
		return
	}
	for _, p := range slices.Concat(n.line, n.active) {
		if p.image == image {
			p.names = append(p.names, name)
			return
		}
	}
	n.line = append(n.line, &fluidPull{image: image, names: []string{name}})
	f.settle()
}

// speeds fills links and registry evenly: all unfinished downloads get faster until
// something is full, and those it holds back stay as they are.
func (f *fluid) speeds() map[*fluidNode]float64 {
	speed, fixed := map[*fluidNode]float64{}, map[*fluidNode]bool{}
	limit := func(x float64) float64 {
		if x == 0 {
			return math.Inf(1)
		}
		return x
	}
	for {
		used, rising := 0.0, 0
		for _, n := range f.nodes {
			used += speed[n] * float64(len(n.left))
			if !fixed[n] {
				rising += len(n.left)
			}
		}
		if rising == 0 {
			return speed
		}
		step := (limit(f.registry) - used) / float64(rising)
		full := true
		for _, n := range f.nodes {
			if many := float64(len(n.left)); many > 0 && !fixed[n] && limit(f.link)/many-speed[n] < step {
				step, full = limit(f.link)/many-speed[n], false
			}
		}
		for _, n := range f.nodes {
			if many := float64(len(n.left)); many > 0 && !fixed[n] {
				speed[n] += step
				fixed[n] = full || speed[n] >= limit(f.link)/many-1e-12
			}
		}
	}
}

// settle does all that takes no time.
func (f *fluid) settle() {
	for again := true; again; {
		again = false
		for _, n := range f.nodes {
			again = f.settleNode(n) || again
		}
	}
}

func (f *fluid) settleNode(n *fluidNode) (changed bool) {
	for len(n.line) > 0 && (f.pulls == 0 || len(n.active) < f.pulls) {
		n.line[0].begin = f.now + f.latency
		n.active, n.line = append(n.active, n.line[0]), n.line[1:]
		changed = true
	}
	for i, p := range n.active {
		layers := f.images[p.image].Layers
		if p.begin > f.now {
			continue
		}
		changed = f.fetch(n, p) || changed
		if f.open(n, p) {
			changed = true
		}
		if p.next == len(layers) && !slices.ContainsFunc(layers, func(l kubernetes.Layer) bool { return !n.present[l.Name] }) {
			n.whole[p.image] = true
			for _, name := range p.names {
				f.ready[name] = f.now
			}
			n.active = slices.Delete(n.active, i, i+1)
			return true
		}
	}
	return changed
}

// fetch begins downloads of a pull's layers, so many at a time.
func (f *fluid) fetch(n *fluidNode, p *fluidPull) (changed bool) {
	layers := f.images[p.image].Layers
	for p.next < len(layers) {
		own := 0
		for _, l := range layers[:p.next] {
			if _, under := n.left[l.Name]; under {
				own++
			}
		}
		if own >= f.layers {
			return changed
		}
		l := layers[p.next]
		p.next++
		changed = true
		if _, under := n.left[l.Name]; !under && !n.packed[l.Name] {
			if f.registry == 0 && f.link == 0 || l.MiB == 0 {
				n.packed[l.Name] = true
			} else {
				n.left[l.Name] = float64(l.MiB)
			}
		}
	}
	return changed
}

// open unpacks a pull's layers from the lowest on, one at a time.
func (f *fluid) open(n *fluidNode, p *fluidPull) (changed bool) {
	for _, l := range f.images[p.image].Layers[:p.next] {
		if n.present[l.Name] {
			continue
		}
		if _, under := n.busy[l.Name]; under || !n.packed[l.Name] {
			return changed
		}
		if f.unpack == 0 {
			n.present[l.Name] = true
			changed = true
			continue
		}
		n.busy[l.Name] = f.now + float64(l.MiB)/f.unpack
		return true
	}
	return changed
}

// until lets time pass.
func (f *fluid) until(end float64) {
	for {
		f.settle()
		speed, next := f.speeds(), end
		for _, n := range f.nodes {
			for _, p := range n.active {
				if p.begin > f.now {
					next = min(next, p.begin)
				}
			}
			for _, left := range n.left {
				next = min(next, f.now+left/speed[n])
			}
			for _, at := range n.busy {
				next = min(next, at)
			}
		}
		for _, n := range f.nodes {
			for name := range n.left {
				if n.left[name] -= speed[n] * (next - f.now); n.left[name] < 1e-9 {
					delete(n.left, name)
					n.packed[name] = true
				}
			}
			for name, at := range n.busy {
				if at <= next {
					delete(n.busy, name)
					n.present[name] = true
				}
			}
		}
		f.now = next
		if f.now == end {
			f.settle()
			return
		}
	}
}

// pulling is a cluster in which each function has one call, an image, and a node.
type pulling struct {
	*setting
	*fluid
	place []int
}

func drawnPulls(t *rapid.T) pulling {
	pick := func(name string, from ...int) int { return rapid.SampledFrom(from).Draw(t, name) }
	nodes, functions := rapid.IntRange(1, 3).Draw(t, "nodes"), rapid.IntRange(1, 5).Draw(t, "functions")
	p := pulling{setting: small(nodes), fluid: newFluid(nodes)}
	p.kube = plain(nodes, functions)
	for i := range rapid.IntRange(1, 3).Draw(t, "images") {
		image := kubernetes.Image{Name: fmt.Sprint(i)}
		for range rapid.IntRange(1, 4).Draw(t, "layers") {
			n := rapid.IntRange(0, 5).Draw(t, "layer")
			if !slices.ContainsFunc(image.Layers, func(l kubernetes.Layer) bool { return l.Name == fmt.Sprint(n) }) {
				image.Layers = append(image.Layers, kubernetes.Layer{Name: fmt.Sprint(n), MiB: []int{0, 7, 31, 64, 130, 211}[n]})
			}
		}
		p.images = append(p.images, image)
	}
	p.kube.Images = p.images
	p.registry, p.link, p.unpack = float64(pick("registry", 0, 90, 300)), float64(pick("link", 0, 53, 200)), float64(pick("unpack", 0, 97))
	p.latency = float64(pick("latency", 0, 110)) / 1000
	p.pulls, p.layers = pick("pulls", 0, 1, 2), pick("at a time", 1, 3)
	p.kube.Kubelet.ParallelPulls, p.kube.Kubelet.ParallelLayers = p.pulls, p.layers
	p.kube.Registry = kubernetes.Registry{Bandwidth: p.registry * mib, NodeBandwidth: p.link * mib, Unpack: p.unpack * mib}
	if p.latency > 0 {
		p.kube.Registry.Latency = servicetime.Deterministic{Value: time.Duration(p.latency * 1e9)}
	}
	for i := range nodes {
		p.kube.Nodes[i].Labels = kubernetes.Labels{"name": fmt.Sprint(i)}
	}
	for i := range functions {
		f := small(1, nil).functions[0]
		f.Name = fmt.Sprint("f", i)
		p.functions = append(p.functions, f)
		p.arrivals = append(p.arrivals, []time.Duration{time.Duration(pick("comes", 0, 400, 900, 2700))*ms + time.Duration(i+1)*100*time.Microsecond})
		p.place = append(p.place, rapid.IntRange(0, nodes-1).Draw(t, "node"))
		p.kube.Pods[i].NodeSelector = []kubernetes.Requirement{{Name: "name", Values: []string{fmt.Sprint(p.place[i])}}}
		p.kube.Pods[i].Image = rapid.IntRange(0, len(p.images)-1).Draw(t, "image")
	}
	return p
}

// Whatever is pulled where at the same time: each image is there when water would be,
// and the registry has given each layer once to each node that wanted it.
func TestPullsAreThoseOfAFluid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawnPulls(t)
		o := p.run(t)
		order := make([]int, len(p.functions))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return int(p.arrivals[a][0] - p.arrivals[b][0]) })
		bytes, pulls := int64(0), map[[2]int]bool{}
		got := map[string]bool{}
		for _, i := range order {
			p.until(p.arrivals[i][0].Seconds())
			image := p.kube.Pods[i].Image
			p.want(p.place[i], image, p.functions[i].Name)
			pulls[[2]int{p.place[i], image}] = true
			for _, l := range p.images[image].Layers {
				if key := fmt.Sprint(p.place[i], l.Name); !got[key] {
					got[key] = true
					bytes += int64(l.MiB) << 20
				}
			}
		}
		p.until(500)
		require.Len(t, p.notes, len(p.functions))
		for _, n := range p.notes {
			require.InDelta(t, p.ready[n.function], (n.at - call).Seconds(), 1e-6, n.function)
		}
		require.Equal(t, bytes, o.Downloaded)
		require.EqualValues(t, len(pulls), o.Pulls)
	})
}
