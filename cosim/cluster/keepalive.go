package cluster

import (
	"cmp"
	"slices"
	"time"

	"microcosm/cosim/des"
)

// keeper is the keep-alive of a function with its optional abilities, found out
// once so that the events do not ask again. All are nil where nobody decides.
type keeper struct {
	keepAlive KeepAlive
	watcher   ArrivalWatcher
	preWarmer PreWarmer
	evictor   Evictor

	preWarmAt    des.Time // 0: not wanted
	preWarmEvent des.Time // of the earliest one pending; 0: none is
}

func newKeeper(k KeepAlive) keeper {
	kept := keeper{keepAlive: k}
	kept.watcher, _ = k.(ArrivalWatcher)
	kept.preWarmer, _ = k.(PreWarmer)
	kept.evictor, _ = k.(Evictor)
	return kept
}

// retire starts the keep-alive of an idle sandbox. One event per sandbox counts:
// the earliest one pending, which is moved lazily, when it happens.
func (m *Model) retire(s *Sandbox) {
	k := &s.function.keeper
	if k.keepAlive == nil {
		return
	}
	now := m.events.Now()
	s.idleSince = now
	if k.evictor != nil {
		s.worth = m.age + k.evictor.Value(s)
		life := s.life
		if m.placeWaiting(); s.life != life {
			return // it made room
		}
	}
	if k.preWarmer != nil && s.called && s.function.inSystem == 0 {
		m.planPreWarm(s.function, k.preWarmer.PreWarm(s.function, now))
	}
	m.lookAgain(s, k.keepAlive.Idle(s, now))
}

// lookAgain has the idle sandbox reviewed after the given time.
func (m *Model) lookAgain(s *Sandbox, after time.Duration) {
	if after < 0 {
		s.expiry = des.End
		return
	}
	s.expiry = m.events.Now().Add(after)
	if !s.expiryPending || s.expiry < s.expiryEvent {
		m.scheduleExpiry(s)
	}
}

func (m *Model) scheduleExpiry(s *Sandbox) {
	s.expiryPending, s.expiryEvent = true, s.expiry
	m.events.Schedule(s.expiry, event{kind: eventSandboxExpiry, ref: s.id, tag: s.life})
}

// expire reviews a sandbox that nobody has used in the time its keep-alive gave
// it, unless it is one of the minimum.
func (m *Model) expire(s *Sandbox) {
	if !s.expiryPending || s.expiryEvent != m.events.Now() {
		return // an earlier one took its place
	}
	s.expiryPending = false
	f := s.function
	switch {
	case s.leaving || s.inService > 0: // busy: retire will schedule again
	case s.expiry == des.End: // kept without an end since
	case s.expiry > m.events.Now():
		m.scheduleExpiry(s)
	case f.all.Len() > f.config.Scaler.Minimum():
		again := f.keeper.keepAlive.Review(s, m.events.Now())
		if again == 0 {
			m.removeSandbox(s)
			return
		}
		m.lookAgain(s, again)
	}
}

func (m *Model) planPreWarm(f *Function, after time.Duration) {
	k := &f.keeper
	if after < 0 {
		k.preWarmAt = 0
		return
	}
	k.preWarmAt = m.events.Now().Add(after)
	if k.preWarmEvent == 0 || k.preWarmAt < k.preWarmEvent {
		m.schedulePreWarm(f)
	}
}

func (m *Model) schedulePreWarm(f *Function) {
	f.keeper.preWarmEvent = f.keeper.preWarmAt
	m.events.Schedule(f.keeper.preWarmAt, event{kind: eventPreWarm, ref: int32(f.index)})
}

// preWarm starts a sandbox for a function that has none and is expected to be
// called.
func (m *Model) preWarm(f *Function) {
	k := &f.keeper
	if k.preWarmEvent != m.events.Now() {
		return // an earlier one took its place
	}
	k.preWarmEvent = 0
	switch {
	case k.preWarmAt == 0:
	case k.preWarmAt > m.events.Now():
		m.schedulePreWarm(f)
	case f.Sandboxes() == 0:
		k.preWarmAt = 0
		m.recorder.preWarmed++
		m.addSandbox(f, false)
	}
}

// makeRoom evicts the least valuable idle sandboxes of one node so that a
// sandbox of f fits there, and returns the node; -1 where no node has enough
// idle memory. It chooses the node whose victims are worth least together. It
// scans the cluster's sandboxes, which happens at a start without memory only.
func (m *Model) makeRoom(f *Function) int {
	best, bestWorth, chosen := -1, 0.0, []*Sandbox(nil)
	for i, n := range m.nodes {
		victims, worth, enough := n.victims(f.config.MemoryMiB)
		if enough && (best < 0 || worth < bestWorth) {
			best, bestWorth, chosen = i, worth, victims
		}
	}
	for _, s := range chosen {
		m.age = max(m.age, s.worth)
		m.discard(s)
		m.recorder.evicted++
	}
	return best
}

// victims returns the idle sandboxes that must go for one of memoryMiB to have room,
// what they are worth together, and whether that suffices.
func (n *Node) victims(memoryMiB int) (victims []*Sandbox, worth float64, enough bool) {
	if !n.accepts() {
		return nil, 0, false
	}
	free, limited := n.FreeMiB()
	enough = n.Fits(memoryMiB)
	if enough {
		return nil, 0, true
	}
	spare := map[*Function]int{}
	for _, s := range n.residents {
		f := s.function
		if f.keeper.evictor == nil || !s.ready || s.leaving || s.inService > 0 {
			continue
		}
		if _, seen := spare[f]; !seen {
			spare[f] = f.all.Len() - f.config.Scaler.Minimum()
		}
		victims = append(victims, s)
	}
	slices.SortFunc(victims, func(a, b *Sandbox) int {
		return cmp.Or(cmp.Compare(a.worth, b.worth), cmp.Compare(a.idleSince, b.idleSince), cmp.Compare(a.id, b.id))
	})
	kept := victims[:0]
	for _, s := range victims {
		if enough {
			break
		}
		if spare[s.function] > 0 && (s.function.config.MemoryMiB > 0 || n.full()) {
			spare[s.function]--
			free += s.function.config.MemoryMiB
			worth += s.worth
			kept = append(kept, s)
			enough = !limited || free >= memoryMiB
		}
	}
	return kept, worth, enough
}

// removeSandbox takes an idle sandbox away; its memory goes to those who have
// waited for it longest.
func (m *Model) removeSandbox(s *Sandbox) {
	m.discard(s)
	m.placeWaiting()
}

// discard takes an idle sandbox away and leaves its memory free.
func (m *Model) discard(s *Sandbox) {
	f := s.function
	f.all.remove(s)
	f.free.remove(s)
	f.roster.remove(s)
	m.drop(s)
}

// drop takes a sandbox away that is no candidate.
func (m *Model) drop(s *Sandbox) {
	if m.launcher != nil {
		m.launcher.Gone(s)
	}
	m.dropSandbox(s)
	m.recorder.sandboxes(m, -1)
}

// placeWaiting tries once more to place each sandbox that found no node and was
// not withdrawn since.
func (m *Model) placeWaiting() {
	for range m.unplaced.len() {
		index, _ := m.unplaced.pop()
		f := m.functions[index]
		if f.unplaced == 0 {
			continue
		}
		f.unplaced--
		if s := m.addSandbox(f, false); s != nil && m.control != nil {
			m.control.Placed(s)
		}
	}
}
