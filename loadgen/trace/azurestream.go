package trace

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"time"

	"microcosm/cosim/des"
	"microcosm/loadgen"
)

// azureStream plays one function of an Azure 2019 trace, slot by slot.
type azureStream struct {
	function         *azureFunction
	duration, memory *rand.Rand
	spread           spread
	counts           []byte   // slots still to come
	slotEnd          des.Time // of the current slot
	scaled           scaled
}

func newAzureStream(f *azureFunction, o Options, seed uint64) *azureStream {
	key := f.id.key()
	pcg := loadgen.PCG(seed, "arrivals/"+key)
	s := &azureStream{
		function: f,
		counts:   f.counts,
		duration: loadgen.Rand(seed, "duration/"+key),
		memory:   loadgen.Rand(seed, "memory/"+key),
		spread:   spread{iat: o.IAT, slot: o.Granularity.slot(), pcg: pcg, rng: rand.New(pcg)},
		scaled:   scaled{factor: o.Scale},
	}
	if o.Scale != 1 {
		s.scaled.phase = loadgen.Rand(seed, "scale/"+key).Float64()
	}
	return s
}

func (s *azureStream) Next() (loadgen.Arrival, bool) {
	for s.spread.left == 0 {
		if !s.nextSlot() {
			return loadgen.Arrival{}, false
		}
	}
	at := s.slotEnd - des.Time(s.spread.slot) + des.Time(s.spread.next())
	millis := draw(s.duration, durationRanks, s.function.duration.values)
	return loadgen.Arrival{
		At:        at,
		Duration:  time.Duration(clamp(millis, minDurationMillis, maxDurationMillis)) * time.Millisecond,
		MemoryMiB: int(clamp(draw(s.memory, memoryRanks, s.function.memory.values), minMemoryMiB, maxMemoryMiB)),
	}, true
}

func (s *azureStream) nextSlot() bool {
	idle, n := binary.Uvarint(s.counts)
	if n <= 0 {
		return false
	}
	s.counts = s.counts[n:]
	count, n := binary.Uvarint(s.counts)
	s.counts = s.counts[n:]
	s.slotEnd += des.Time(idle+1) * des.Time(s.spread.slot)
	s.spread.begin(s.scaled.count(int64(count)))
	return true
}

// scaled multiplies counts by a factor. It rounds the running sum, not each
// count, from a random phase: after any number of slots the sum is right within
// one, its mean exact, and functions do not round up together.
type scaled struct {
	factor, phase float64
	before, after int64 // sums so far
}

func (s *scaled) count(n int64) int64 {
	s.before += n
	sum := int64(math.Floor(float64(s.before)*s.factor + s.phase))
	n, s.after = sum-s.after, sum
	return n
}

// draw returns a value at a uniform quantile: a uniform whole number from the
// value at the rank below up to, but excluding, the value at the rank above, as
// In-Vitro's generator does. ranks end with 1; values do not decrease.
func draw(rng *rand.Rand, ranks []float64, values []int64) int64 {
	u, i := rng.Float64(), 0
	for u > ranks[i] {
		i++
	}
	if i == 0 || values[i] == values[i-1] {
		return values[i]
	}
	return values[i-1] + rng.Int64N(values[i]-values[i-1])
}
