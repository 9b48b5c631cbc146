package gem5bridge

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge/bridgepb"
)

// filler gives every field of a value something that is not zero, whatever fields
// there are: a field that is added and forgotten on the wire does not come back.
type filler struct{ draw *rand.Rand }

func (f filler) text() string {
	letters := []rune("aB7 -_/:|\"\\\n\t\x00äßΩ語🙂")
	var text strings.Builder
	for range 1 + f.draw.IntN(12) {
		text.WriteRune(letters[f.draw.IntN(len(letters))])
	}
	return text.String()
}

func (f filler) condition() servicetime.Condition {
	texts := []string{"cold", "warm", "lukewarm:4", "lukewarm:2147483647@pair.2", "flush", "flush:l1i+btb", "stressor:9223372036854775807", "stage:create", "stage:init"}
	c, err := servicetime.ParseCondition(texts[f.draw.IntN(len(texts))])
	if err != nil {
		panic(err) // cannot be: they are written as they are read
	}
	return c
}

func (f filler) fill(v reflect.Value) {
	switch v.Interface().(type) {
	case servicetime.Condition:
		v.Set(reflect.ValueOf(f.condition()))
	case servicetime.Kind:
		v.SetUint(uint64(servicetime.Cold) + f.draw.Uint64N(uint64(servicetime.StageInit)))
	case servicetime.Status:
		v.SetUint(uint64(servicetime.Valid) + f.draw.Uint64N(3))
	case servicetime.Ticks:
		v.SetInt(1 + f.draw.Int64N(math.MaxInt64/4))
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(f.draw.Int64N(1<<33), f.draw.Int64N(1e9)).UTC()))
	default:
		f.fillKind(v)
	}
}

func (f filler) fillKind(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface: // an error, which is a kind
		v.Set(reflect.ValueOf(kinds[f.draw.IntN(len(kinds))].err))
	case reflect.String:
		v.SetString(f.text())
	case reflect.Int:
		v.SetInt(1 + f.draw.Int64N(math.MaxInt32))
	case reflect.Int64:
		v.SetInt(1 + f.draw.Int64N(math.MaxInt64))
	case reflect.Uint64:
		v.SetUint(f.draw.Uint64() | 1)
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key)
			f.fill(value)
			v.SetMapIndex(key, value)
		}
	default:
		panic(fmt.Sprintf("no way to fill a %v: teach the filler", v.Type()))
	}
}

// filled returns a value of every field of which is set.
func filled[T any](seed uint64) T {
	var value T
	filler{rand.New(rand.NewPCG(seed, 0))}.fill(reflect.ValueOf(&value).Elem())
	return value
}

// requireSet checks that every field of a message has something in it, and of every
// message below: a field that nothing is put into is read by nobody.
func requireSet(t *testing.T, m protoreflect.Message, seen map[protoreflect.FullName]bool) {
	t.Helper()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		require.True(t, m.Has(field), "nothing is put into %s", field.FullName())
		seen[field.FullName()] = true
		switch {
		case field.Message() == nil || field.IsMap() || field.Message().FullName().Parent() == "google.protobuf":
		case field.IsList():
			requireSet(t, m.Get(field).List().Get(0).Message(), seen)
		default:
			requireSet(t, m.Get(field).Message(), seen)
		}
	}
}

// wholeSample is a sample of every field of which is set, and that is right.
func wholeSample(seed uint64, status servicetime.Status) servicetime.Sample {
	s := filled[servicetime.Sample](seed)
	s.Status = status
	if status == servicetime.Valid {
		s.Reason = ""
	}
	return s
}

// TestEveryFieldSurvivesTheWire fills whatever fields there are and sends them there
// and back.
func TestEveryFieldSurvivesTheWire(t *testing.T) {
	t.Parallel()
	seen := map[protoreflect.FullName]bool{}
	for seed := range uint64(200) {
		setup := filled[Setup](seed)
		require.Equal(t, setup, setupFromWire(overWire(t, setupToWire(setup), &bridgepb.Setup{})), "seed %d", seed)

		job := filled[Job](seed)
		wire := overWire(t, jobToWire(job), &bridgepb.Job{})
		requireSet(t, wire.ProtoReflect(), seen)
		require.Equal(t, job, jobFromWire(wire), "seed %d", seed)

		d := filled[Description](seed)
		described := overWire(t, descriptionToWire(d), &bridgepb.Description{})
		requireSet(t, described.ProtoReflect(), seen)
		back, err := descriptionFromWire(described)
		require.NoError(t, err)
		require.Equal(t, d, back, "seed %d", seed)

		status := servicetime.Valid + servicetime.Status(seed%3)
		s := wholeSample(seed, status)
		event := overWire(t, eventToWire(Event{Sample: &s}), &bridgepb.Event{})
		if status != servicetime.Valid {
			requireSet(t, event.GetSample().ProtoReflect(), seen)
		}
		got, err := sampleFromWire(event.GetSample())
		require.NoError(t, err)
		require.Equal(t, s, got, "seed %d", seed)

		p := filled[Progress](seed)
		event = overWire(t, eventToWire(Event{Progress: &p}), &bridgepb.Event{})
		requireSet(t, event.GetProgress().ProtoReflect(), seen)
		require.Equal(t, p, progressFromWire(event.GetProgress()), "seed %d", seed)

		l := filled[Log](seed)
		event = overWire(t, eventToWire(Event{Log: &l}), &bridgepb.Event{})
		requireSet(t, event.GetLog().ProtoReflect(), seen)
		require.Equal(t, l, logFromWire(event.GetLog()), "seed %d", seed)

		f := filled[Failure](seed)
		failure, code := failureToWire(&f)
		requireSet(t, overWire(t, failure, &bridgepb.Failure{}).ProtoReflect(), seen)
		require.NotZero(t, code)
		require.Equal(t, &f, failureFromWire(failure), "seed %d", seed)
	}
	// What carries them is filled by the carrier.
	for _, carrier := range []string{"Event.sample", "Event.progress", "Event.log", "Failures.failures"} {
		seen[protoreflect.FullName("microcosm.bridge.v1."+carrier)] = true
	}
	messages := bridgepb.File_bridge_proto.Messages()
	for i := range messages.Len() {
		fields := messages.Get(i).Fields()
		for j := range fields.Len() {
			require.True(t, seen[fields.Get(j).FullName()], "no test has seen %s", fields.Get(j).FullName())
		}
	}
}

// numbers are those of the fields of protocol version 1. A plugin that was built
// before knows these and no others: a line may be added, none be changed.
var numbers = map[string]string{
	"Setup":       "platform=1 overrides=2 functions_root=3 work_dir=4 settings=5",
	"Job":         "setup=1 cells=2 seed=3 campaign=4 mix=5 deadline=6 slots=7",
	"Cell":        "function=1 input=2 condition=3 first=4 count=5",
	"Mix":         "name=1 functions=2",
	"Description": "backend=1 version=2 stack=3 platforms=4 conditions=5 notes=6 images=7",
	"Platform":    "name=1 digest=2 isa=3 parameters=4",
	"Event":       "sample=1 progress=2 log=3",
	"Key":         "function=1 image=2 input=3 platform=4 platform_digest=5 condition=6 stack=7",
	"Sample":      "key=1 n=2 seed=3 status=4 reason=5 round_trip=6 null=7 busy=8 counters=9 provenance=10",
	"Provenance":  "backend=1 simulator_digest=2 boot=3 restore=4 host=5 measured=6 cost=7 note=8",
	"Progress":    "cell=1 done=2 of=3 run=4 phase=5 ticks=6 instructions=7 work_items=8 host_cpu=9",
	"Log":         "level=1 message=2 attributes=3",
	"Failures":    "failures=1",
	"Failure":     "kind=1 message=2 function=3 input=4 condition=5",
}

func TestNoFieldIsRenumbered(t *testing.T) {
	t.Parallel()
	require.Equal(t, 1, protocolVersion, "another version may have other numbers")
	got := map[string]string{}
	messages := bridgepb.File_bridge_proto.Messages()
	for i := range messages.Len() {
		var fields []string
		all := messages.Get(i).Fields()
		for j := range all.Len() {
			fields = append(fields, fmt.Sprintf("%s=%d", all.Get(j).Name(), all.Get(j).Number()))
		}
		got[string(messages.Get(i).Name())] = strings.Join(fields, " ")
	}
	require.Equal(t, numbers, got)
}

// TestAFieldOfANewerPeerIsNoDamage sends messages with fields and kinds that this side
// does not know.
func TestAFieldOfANewerPeerIsNoDamage(t *testing.T) {
	t.Parallel()
	s := wholeSample(1, servicetime.Valid)
	newer := sampleToWire(&s)
	newer.ProtoReflect().SetUnknown([]byte{0xfa, 0x3f, 3, 'n', 'e', 'w'}) // field 1023, a text
	got, err := sampleFromWire(overWire(t, newer, &bridgepb.Sample{}))
	require.NoError(t, err)
	require.Equal(t, s, got)

	var failure *Failure
	require.ErrorAs(t, failureFromWire(&bridgepb.Failure{Kind: 99, Message: "melted", Function: "aes-go", Condition: "frozen"}), &failure)
	require.Equal(t, &Failure{Function: "aes-go", Text: "melted"}, failure, "what cannot be told is left open")
}

// TestNumbersAtTheirEnds sends the largest and the smallest that a field can hold.
func TestNumbersAtTheirEnds(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64} {
		job := Job{Deadline: time.Duration(n), Slots: int(n), Seed: uint64(n), Cells: []Cell{{Condition: servicetime.Condition{Kind: servicetime.Warm}, First: int(n), Count: int(n)}}}
		require.Equal(t, job, jobFromWire(overWire(t, jobToWire(job), &bridgepb.Job{})))
		p := Progress{Done: int(n), Of: int(n), Ticks: servicetime.Ticks(n), Instructions: n, WorkItems: n, HostCPU: time.Duration(n)}
		require.Equal(t, p, progressFromWire(overWire(t, progressToWire(&p), &bridgepb.Progress{})))
		s := wholeSample(2, servicetime.Valid)
		s.Counters = map[string]int64{"count": n}
		s.Provenance.Cost, s.Provenance.Measured = time.Duration(n), time.Time{}
		got, err := sampleFromWire(overWire(t, sampleToWire(&s), &bridgepb.Sample{}))
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
	require.Equal(t, Job{}, jobFromWire(overWire(t, jobToWire(Job{}), &bridgepb.Job{})), "nothing stays nothing")
	d, err := descriptionFromWire(&bridgepb.Description{})
	require.NoError(t, err)
	require.Equal(t, Description{}, d)
}

// TestTextThatIsNoText has what a dying process prints in every text that may quote
// it: the wire carries UTF-8 only, and what surrounds the rubbish must arrive.
func TestTextThatIsNoText(t *testing.T) {
	t.Parallel()
	const rubbish, want = "core \xff\xfe dumped", "core \ufffd dumped"
	s := wholeSample(3, servicetime.Censored)
	s.Reason, s.Provenance.Note = rubbish, rubbish
	got, err := sampleFromWire(overWire(t, sampleToWire(&s), &bridgepb.Sample{}))
	require.NoError(t, err)
	require.Equal(t, want, got.Reason)
	require.Equal(t, want, got.Provenance.Note)

	l := Log{Message: rubbish, Attributes: map[string]string{rubbish: rubbish}}
	event := overWire(t, eventToWire(Event{Log: &l}), &bridgepb.Event{})
	require.Equal(t, Log{Message: want, Attributes: map[string]string{want: want}}, logFromWire(event.GetLog()))

	p := Progress{Run: rubbish, Phase: rubbish}
	require.Equal(t, Progress{Run: want, Phase: want}, progressFromWire(overWire(t, progressToWire(&p), &bridgepb.Progress{})))

	d := Description{Version: rubbish, Notes: []string{rubbish}}
	back, err := descriptionFromWire(overWire(t, descriptionToWire(d), &bridgepb.Description{}))
	require.NoError(t, err)
	require.Equal(t, Description{Version: want, Notes: []string{want}}, back)

	failure := failuresOf(statusOf(&Failure{Kind: ErrFunctionDied, Function: "aes-go", Text: rubbish}))
	require.ErrorIs(t, failure, ErrFunctionDied, "the kind must not be lost with the text")
	require.EqualError(t, failure, "aes-go: function died: "+want)
}

// TestTheWireHoldsWhatIsSentAndNoMore takes a message apart: the bytes of a filled job
// change with every field.
func TestTheWireHoldsWhatIsSentAndNoMore(t *testing.T) {
	t.Parallel()
	encode := func(j Job) string {
		text, err := proto.MarshalOptions{Deterministic: true}.Marshal(jobToWire(j))
		require.NoError(t, err)
		return string(text)
	}
	job := filled[Job](7)
	seen := map[string]string{encode(job): "the job as it is"}
	clear := func(name string, change func(*Job)) {
		other := job
		other.Cells = slices.Clone(job.Cells)
		other.Overrides, other.Settings = maps.Clone(job.Overrides), maps.Clone(job.Settings)
		change(&other)
		bytes := encode(other)
		require.Empty(t, seen[bytes], "without %s it is %s", name, seen[bytes])
		seen[bytes] = name
	}
	value := reflect.TypeFor[Job]()
	for i := range value.NumField() {
		clear(value.Field(i).Name, func(j *Job) { reflect.ValueOf(j).Elem().Field(i).SetZero() })
	}
	setup := reflect.TypeFor[Setup]()
	for i := range setup.NumField() {
		clear("Setup."+setup.Field(i).Name, func(j *Job) { reflect.ValueOf(&j.Setup).Elem().Field(i).SetZero() })
	}
	cell := reflect.TypeFor[Cell]()
	for i := range cell.NumField() {
		clear("Cell."+cell.Field(i).Name, func(j *Job) { reflect.ValueOf(&j.Cells[1]).Elem().Field(i).SetZero() })
	}
}
