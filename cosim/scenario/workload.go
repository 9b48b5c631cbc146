package scenario

import (
	"cmp"
	"time"

	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/loadgen"
	"microcosm/loadgen/trace"
)

// Workload is what arrives: functions with arrival processes, a trace, In-Vitro's
// mode of requests per second, workflows, or several of them.
type Workload struct {
	// Functions with an arrival process each.
	Functions []Function `yaml:"functions"`
	// Trace is a public trace, which brings its own functions.
	Trace *Trace `yaml:"trace"`
	// Map joins the functions of the trace to measured ones.
	Map *Map `yaml:"map"`
	// RPS is In-Vitro's mode of requests per second, with a share of cold ones.
	RPS *RPS `yaml:"rps"`
	// Workflows are graphs of functions that call one another.
	Workflows []Workflow `yaml:"workflows"`
	// Duration is how long invocations arrive. A trace has its own.
	Duration time.Duration `yaml:"duration" range:"1us.."`
	// WarmUp is the time at the start that is simulated but not recorded: a duration, or a share of the whole. 10 % unless given, nothing with a trace.
	WarmUp WarmUp `yaml:"warm-up" default:"10%"`
}

// Function is one function, or several equal ones.
type Function struct {
	// Name of the function in the report.
	Name string `yaml:"name" need:"always"`
	// Function is the measured function of the catalog; the same name unless given.
	Function string `yaml:"function"`
	// Input is the input class of the measured function.
	Input string `yaml:"input"`
	// Copies is the number of independent copies, called name-0, name-1 and so on.
	Copies int `yaml:"copies" default:"1" range:"1..1000000"`
	// Arrivals is the arrival process.
	Arrivals Arrivals `yaml:"arrivals" need:"always"`
	// Service is a given law of the service time; without it the function is a measured one.
	Service *Service `yaml:"service"`

	// Concurrency overrides cluster.concurrency.
	Concurrency *int `yaml:"concurrency" range:"1..1000000"`
	// QueueLimit overrides cluster.queue-limit.
	QueueLimit *int `yaml:"queue-limit" also:"unlimited" range:"0..1000000000"`
	// Memory of one sandbox; the catalog's unless given, 128MiB with a given law.
	Memory MiB `yaml:"memory" range:"1MiB.."`
	// Resources overrides cluster.resources.
	Resources *Resources `yaml:"resources"`
	// Pod overrides cluster.kubernetes.pod.
	Pod *Pod `yaml:"pod"`
	// Scaling overrides cluster.scaling.
	Scaling *Scaling `yaml:"scaling"`
	// KeepAlive overrides cluster.keep-alive.
	KeepAlive *Policy[policy.Keeping] `yaml:"keep-alive"`
}

// Measured returns the function of the catalog and its input class, both empty
// where a law is given.
func (f *Function) Measured() (function, input string) {
	if f.Service != nil {
		return "", ""
	}
	return cmp.Or(f.Function, f.Name), cmp.Or(f.Input, functions.DefaultClass)
}

// Arrivals is an arrival process.
type Arrivals struct {
	// Process is the family.
	Process loadgen.Kind `yaml:"process" need:"always"`
	// Rate is the mean rate of arrivals.
	Rate Rate `yaml:"rate" only:"process=constant|uniform|poisson|pareto|burst|sine" need:"always"`
	// Shape of the Pareto law of the gaps; their variance is infinite up to 2.
	Shape float64 `yaml:"shape" only:"process=pareto" need:"always"`
	// Size is how many arrive in one burst.
	Size int `yaml:"size" only:"process=burst" need:"always"`
	// Amplitude of the wave relative to the rate.
	Amplitude Share `yaml:"amplitude" only:"process=sine" need:"always"`
	// Period of the wave.
	Period time.Duration `yaml:"period" only:"process=sine" need:"always"`
	// States of the Markov chain, at least two; each is left for any other one with equal probability.
	States []State `yaml:"states" only:"process=mmpp" need:"always"`
	// Offset is how much later the process starts.
	Offset time.Duration `yaml:"offset" default:"0s" range:"0s.."`
}

// State is one state of a Markov-modulated Poisson process.
type State struct {
	// Rate of arrivals in this state.
	Rate Rate `yaml:"rate" need:"always"`
	// Sojourn is the mean time spent in it.
	Sojourn time.Duration `yaml:"sojourn" need:"always"`
}

// Description returns the process as package loadgen describes it.
func (a Arrivals) Description() loadgen.Process {
	p := loadgen.Process{
		Kind: a.Process, Rate: float64(a.Rate), Shape: a.Shape, Size: a.Size,
		Amplitude: float64(a.Amplitude), Period: a.Period, Offset: a.Offset,
	}
	for _, s := range a.States {
		p.States = append(p.States, loadgen.State{Rate: float64(s.Rate), Sojourn: s.Sojourn})
	}
	return p
}

// Law is a given law of a time.
type Law struct {
	// Law is the family.
	Law string `yaml:"law" need:"always" words:"deterministic|exponential|erlang|lognormal|hyperexponential"`
	// Mean of the law.
	Mean time.Duration `yaml:"mean" need:"always" range:"1ns.."`
	// CV is the coefficient of variation: above 0 for lognormal, above 1 for hyperexponential.
	CV float64 `yaml:"cv" only:"law=lognormal|hyperexponential" need:"always"`
	// Phases of an Erlang law.
	Phases int `yaml:"phases" only:"law=erlang" need:"always"`
}

// Description returns the law as package servicetime describes it.
func (l Law) Description() servicetime.Description { return servicetime.Description(l) }

// Service is a given service time.
type Service struct {
	Law `yaml:",inline"`
	// Busy is the share of the service time in which a core is held.
	Busy Share `yaml:"busy" default:"100%" range:"0.01%..100%"`
	// RelativePenalty is what a flush costs, relative to the service time.
	RelativePenalty float64 `yaml:"relative-penalty" default:"0" range:"0..1000"`
}

// Trace is a public trace and how it is played.
type Trace struct {
	// Format is the layout of the files.
	Format trace.Format `yaml:"format" need:"always"`
	// Path of the file or folder, relative to the scenario.
	Path string `yaml:"path" need:"always" file:"read"`
	// IAT is the law of the inter-arrival times within a slot.
	IAT trace.Law `yaml:"iat" only:"format=azure2019" default:"exponential"`
	// Shift rotates every slot by a random share, so that not all functions start with it.
	Shift bool `yaml:"shift" only:"format=azure2019" default:"false"`
	// Granularity is the time that one count covers.
	Granularity trace.Granularity `yaml:"granularity" only:"format=azure2019" default:"minute"`
	// Start is where in the trace the run begins.
	Start time.Duration `yaml:"start" default:"0s" range:"0s.."`
	// Duration is how much of the trace is played; the rest of it unless given.
	Duration time.Duration `yaml:"duration" range:"1us.."`
	// Scale is a factor on all counts.
	Scale float64 `yaml:"scale" only:"format=azure2019" default:"1" range:"0.000001..1000000"`
	// SkipIncomplete leaves out functions without durations or memory instead of refusing the trace.
	SkipIncomplete bool `yaml:"skip-incomplete" only:"format=azure2019" default:"false"`
	// AllowEqualStarts accepts two invocations of one function in the same microsecond.
	AllowEqualStarts bool `yaml:"allow-equal-starts" only:"format=azure2021" default:"false"`
}

// Map joins the functions of a trace to measured ones: by In-Vitro's mapper
// file, or by the nearest of the profiles.
type Map struct {
	// Mapper is In-Vitro's mapper_output.json.
	Mapper string `yaml:"mapper" file:"read"`
	// Profiles are In-Vitro's profiles of vSwarm functions.
	Profiles []string `yaml:"profiles" file:"read"`
	// ErrorCap is how far the nearest profile may lie from the function.
	ErrorCap Share `yaml:"error-cap" default:"40%" range:"0%.."`
}
