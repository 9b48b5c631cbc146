package gem5bridge

import (
	"fmt"
	"log/slog"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge/bridgepb"
)

// invalidCondition is the word of a condition that is none; no condition is
// written like it.
const invalidCondition = "invalid"

// textToWire makes text that may quote anything, such as the last words of a
// process, fit for the wire, which carries UTF-8 only.
func textToWire(text string) string { return strings.ToValidUTF8(text, "\ufffd") }

func textsToWire(texts []string) []string {
	var all []string
	for _, text := range texts {
		all = append(all, textToWire(text))
	}
	return all
}

func attributesToWire(attributes map[string]string) map[string]string {
	all := make(map[string]string, len(attributes))
	for name, value := range attributes {
		all[textToWire(name)] = textToWire(value)
	}
	return all
}

func conditionToWire(c servicetime.Condition) string {
	if !isCanonical(c) {
		return invalidCondition
	}
	return c.String()
}

// conditionFromWire returns the zero condition, which Job.Check and Sample.Check
// refuse, for what is none.
func conditionFromWire(text string) servicetime.Condition {
	c, err := servicetime.ParseCondition(text)
	if err != nil {
		return servicetime.Condition{}
	}
	return c
}

func setupToWire(s Setup) *bridgepb.Setup {
	return &bridgepb.Setup{
		Platform:      s.Platform,
		Overrides:     s.Overrides,
		FunctionsRoot: s.Functions,
		WorkDir:       s.WorkDir,
		Settings:      s.Settings,
	}
}

func setupFromWire(w *bridgepb.Setup) Setup {
	return Setup{
		Platform:  w.GetPlatform(),
		Overrides: w.GetOverrides(),
		Functions: w.GetFunctionsRoot(),
		WorkDir:   w.GetWorkDir(),
		Settings:  w.GetSettings(),
	}
}

func jobToWire(j Job) *bridgepb.Job {
	w := &bridgepb.Job{
		Setup:    setupToWire(j.Setup),
		Seed:     j.Seed,
		Campaign: j.Campaign,
		Mix:      &bridgepb.Mix{Name: j.Mix.Name, Functions: j.Mix.Functions},
		Deadline: durationpb.New(j.Deadline),
		Slots:    int64(j.Slots),
	}
	for _, c := range j.Cells {
		w.Cells = append(w.Cells, &bridgepb.Cell{
			Function:  c.Function,
			Input:     c.Input,
			Condition: conditionToWire(c.Condition),
			First:     int64(c.First),
			Count:     int64(c.Count),
		})
	}
	return w
}

func jobFromWire(w *bridgepb.Job) Job {
	j := Job{
		Setup:    setupFromWire(w.GetSetup()),
		Seed:     w.GetSeed(),
		Campaign: w.GetCampaign(),
		Mix:      Mix{Name: w.GetMix().GetName(), Functions: w.GetMix().GetFunctions()},
		Deadline: w.GetDeadline().AsDuration(),
		Slots:    int(w.GetSlots()),
	}
	for _, c := range w.GetCells() {
		j.Cells = append(j.Cells, Cell{
			Function:  c.GetFunction(),
			Input:     c.GetInput(),
			Condition: conditionFromWire(c.GetCondition()),
			First:     int(c.GetFirst()),
			Count:     int(c.GetCount()),
		})
	}
	return j
}

func descriptionToWire(d Description) *bridgepb.Description {
	w := &bridgepb.Description{Backend: d.Backend, Version: textToWire(d.Version), Stack: d.Stack, Notes: textsToWire(d.Notes), Images: d.Images}
	for _, p := range d.Platforms {
		w.Platforms = append(w.Platforms, &bridgepb.Platform{Name: p.Name, Digest: p.Digest, Isa: p.ISA, Parameters: p.Parameters})
	}
	for _, kind := range d.Conditions {
		w.Conditions = append(w.Conditions, kindToWire(kind))
	}
	return w
}

func descriptionFromWire(w *bridgepb.Description) (Description, error) {
	d := Description{Backend: w.GetBackend(), Version: w.GetVersion(), Stack: w.GetStack(), Notes: w.GetNotes(), Images: w.GetImages()}
	for _, p := range w.GetPlatforms() {
		d.Platforms = append(d.Platforms, Platform{Name: p.GetName(), Digest: p.GetDigest(), ISA: p.GetIsa(), Parameters: p.GetParameters()})
	}
	for _, word := range w.GetConditions() {
		kind, err := kindFromWire(word)
		if err != nil {
			return Description{}, err
		}
		d.Conditions = append(d.Conditions, kind)
	}
	return d, nil
}

// kindToWire returns the word of a kind; emptying structures, whose word is
// that of flush, gets one of its own.
func kindToWire(kind servicetime.Kind) string {
	if kind == servicetime.FlushStructure {
		return "flush:structures"
	}
	return kind.String()
}

func kindFromWire(word string) (servicetime.Kind, error) {
	for kind := servicetime.Cold; kind <= servicetime.StageInit; kind++ {
		if kindToWire(kind) == word {
			return kind, nil
		}
	}
	return servicetime.Invalid, fmt.Errorf("%w: it supports the unknown condition %q", ErrProtocol, word)
}

func eventToWire(e Event) *bridgepb.Event {
	switch {
	case e.Sample != nil:
		return &bridgepb.Event{Event: &bridgepb.Event_Sample{Sample: sampleToWire(e.Sample)}}
	case e.Progress != nil:
		return &bridgepb.Event{Event: &bridgepb.Event_Progress{Progress: progressToWire(e.Progress)}}
	case e.Log != nil:
		return &bridgepb.Event{Event: &bridgepb.Event_Log{Log: &bridgepb.Log{
			Level: int32(e.Log.Level), Message: textToWire(e.Log.Message), Attributes: attributesToWire(e.Log.Attributes),
		}}}
	}
	return &bridgepb.Event{}
}

func logFromWire(w *bridgepb.Log) Log {
	return Log{Level: slog.Level(w.GetLevel()), Message: w.GetMessage(), Attributes: w.GetAttributes()}
}

func progressToWire(p *Progress) *bridgepb.Progress {
	return &bridgepb.Progress{
		Cell:         int32(p.Cell),
		Done:         int64(p.Done),
		Of:           int64(p.Of),
		Run:          textToWire(p.Run),
		Phase:        textToWire(p.Phase),
		Ticks:        int64(p.Ticks),
		Instructions: p.Instructions,
		WorkItems:    p.WorkItems,
		HostCpu:      durationpb.New(p.HostCPU),
	}
}

func progressFromWire(w *bridgepb.Progress) Progress {
	return Progress{
		Cell:         int(w.GetCell()),
		Done:         int(w.GetDone()),
		Of:           int(w.GetOf()),
		Run:          w.GetRun(),
		Phase:        w.GetPhase(),
		Ticks:        servicetime.Ticks(w.GetTicks()),
		Instructions: w.GetInstructions(),
		WorkItems:    w.GetWorkItems(),
		HostCPU:      w.GetHostCpu().AsDuration(),
	}
}

func sampleToWire(s *servicetime.Sample) *bridgepb.Sample {
	return &bridgepb.Sample{
		Key: &bridgepb.Key{
			Function:       s.Key.Function,
			Image:          s.Key.Image,
			Input:          s.Key.Input,
			Platform:       s.Key.Platform,
			PlatformDigest: s.Key.PlatformDigest,
			Condition:      conditionToWire(s.Key.Condition),
			Stack:          s.Key.Stack,
		},
		N:         int64(s.N),
		Seed:      s.Seed,
		Status:    s.Status.String(),
		Reason:    textToWire(s.Reason),
		RoundTrip: int64(s.RoundTrip),
		Null:      int64(s.Null),
		Busy:      int64(s.Busy),
		Counters:  s.Counters,
		Provenance: &bridgepb.Provenance{
			Backend:         s.Provenance.Backend,
			SimulatorDigest: s.Provenance.SimulatorDigest,
			Boot:            s.Provenance.Boot,
			Restore:         s.Provenance.Restore,
			Host:            s.Provenance.Host,
			Measured:        timestamppb.New(s.Provenance.Measured),
			Cost:            durationpb.New(s.Provenance.Cost),
			Note:            textToWire(s.Provenance.Note),
		},
	}
}

// sampleFromWire returns the sample, or ErrProtocol with what is wrong with it.
func sampleFromWire(w *bridgepb.Sample) (servicetime.Sample, error) {
	status, statusErr := servicetime.ParseStatus(w.GetStatus())
	p := w.GetProvenance()
	s := servicetime.Sample{
		Key: servicetime.Key{
			Function:       w.GetKey().GetFunction(),
			Image:          w.GetKey().GetImage(),
			Input:          w.GetKey().GetInput(),
			Platform:       w.GetKey().GetPlatform(),
			PlatformDigest: w.GetKey().GetPlatformDigest(),
			Condition:      conditionFromWire(w.GetKey().GetCondition()),
			Stack:          w.GetKey().GetStack(),
		},
		N:         int(w.GetN()),
		Seed:      w.GetSeed(),
		Status:    status,
		Reason:    w.GetReason(),
		RoundTrip: servicetime.Ticks(w.GetRoundTrip()),
		Null:      servicetime.Ticks(w.GetNull()),
		Busy:      servicetime.Ticks(w.GetBusy()),
		Counters:  w.GetCounters(),
		Provenance: servicetime.Provenance{
			Backend:         p.GetBackend(),
			SimulatorDigest: p.GetSimulatorDigest(),
			Boot:            p.GetBoot(),
			Restore:         p.GetRestore(),
			Host:            p.GetHost(),
			Measured:        p.GetMeasured().AsTime(),
			Cost:            p.GetCost().AsDuration(),
			Note:            p.GetNote(),
		},
	}
	if statusErr != nil {
		return s, fmt.Errorf("%w: %w", ErrProtocol, statusErr)
	}
	if err := s.Check(); err != nil {
		return s, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return s, nil
}
