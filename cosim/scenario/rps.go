package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/policy"
	"microcosm/functions"
	"microcosm/loadgen"
)

// RPS is In-Vitro's mode of requests per second: a function that is invoked often
// enough to stay warm, and as many others as it takes that each of them has a
// cool-down between two invocations, and is cold in every one. They are called
// warm-function and cold-function-0, cold-function-1 and so on, and invoked at
// equal intervals.
type RPS struct {
	// Rate of the invocations of all of them; In-Vitro's RpsTarget.
	Rate Rate `yaml:"rate" need:"always"`
	// ColdShare is the share of the invocations that is to be cold; In-Vitro's RpsColdStartRatioPercentage.
	ColdShare Share `yaml:"cold-share" default:"0%" range:"0%..100%"`
	// Cooldown is after which time without an invocation a function is cold again, In-Vitro's RpsCooldownSeconds; needed where some are to be cold.
	Cooldown time.Duration `yaml:"cooldown" range:"1us.."`
	// Function is the measured function of the catalog that all of them are; service takes its place.
	Function string `yaml:"function"`
	// Input is the input class of the measured function.
	Input string `yaml:"input"`
	// Service is a given law of the service time; In-Vitro's RpsRuntimeMs is the mean of a deterministic one.
	Service *Service `yaml:"service"`
	// Memory of one sandbox, In-Vitro's RpsMemoryMB; the catalog's unless given, 128MiB with a given law.
	Memory MiB `yaml:"memory" range:"1MiB.."`
}

// Description returns the mode as package loadgen describes it.
func (m RPS) Description() loadgen.RPS {
	return loadgen.RPS{Rate: float64(m.Rate), ColdShare: float64(m.ColdShare), Cooldown: m.Cooldown}
}

// function returns what all functions of the mode have in common.
func (m *RPS) function() *Function {
	return &Function{Function: m.Function, Input: m.Input, Service: m.Service, Memory: m.Memory}
}

// measured returns the function of the catalog and its input class, both empty
// where a law is given.
func (m *RPS) measured() (function, input string) {
	if m.Service != nil {
		return "", ""
	}
	return m.Function, cmp.Or(m.Input, functions.DefaultClass)
}

func (m *RPS) check(r *reader, p place) {
	r.checkName(p.child("function"), m.Function)
	r.checkName(p.child("input"), m.Input)
	if r.sound(p, "function", "service") && (m.Function == "") == (m.Service == nil) {
		r.wrong(p, "want either function (of the catalog) or service (a given law)")
	}
	if c := p.child("input"); m.Service != nil && c.node != nil {
		r.wrong(c, "contradicts service: a given law uses no measurement; remove one of the two")
	}
	if !r.sound(p, "rate", "cold-share", "cooldown") {
		return
	}
	if c := p.child("cooldown"); m.ColdShare > 0 && c.node == nil {
		r.wrong(c, "the key is missing: add cooldown: after which time a function is cold again, such as 60s")
		m.Cooldown = time.Second // so that the others are judged by themselves
	}
	for _, e := range split(m.Description().Validate()) {
		var wrong *loadgen.FieldError
		if errors.As(e, &wrong) {
			r.wrong(p.child(wrong.Field), "%s", wrong.Problem)
		}
	}
}

// names returns what the functions are called; nothing where their number is
// mistaken.
func (m *RPS) names(r *reader, p place) (names []named) {
	if !r.sound(p, "", "rate", "cold-share", "cooldown") {
		return nil
	}
	if m.ColdShare < 1 {
		names = append(names, named{loadgen.WarmFunction, 0, p})
	}
	if n := m.Description().ColdFunctions(); n > 0 {
		names = append(names, named{loadgen.ColdFunction, n, p})
	}
	return names
}

// demandRPS adds the functions of the mode.
func (s *Scenario) demandRPS(d *Demand) {
	m := s.Workload.RPS
	if reason := s.staysWarm(m); reason != "" {
		d.Warnings = append(d.Warnings, reason)
	}
	all := s.base("")
	all.Service = m.Service
	all.Measured, all.Input = m.measured()
	all.Memory = s.demandMemory(m.function())
	for _, f := range m.Description().Functions(d.Horizon) {
		one := all
		one.Name, one.Group = f.Name, loadgen.ColdFunction
		if f.Name == loadgen.WarmFunction {
			one.Group = f.Name
		}
		one.Arrivals, one.ExpectedInvocations = f.Source, f.ExpectedInvocations
		d.Functions = append(d.Functions, one)
	}
}

// staysWarm returns why functions that are to be cold would not be; empty where
// they are, or where Knative decides how long they stay.
func (s *Scenario) staysWarm(m *RPS) string {
	n := m.Description().ColdFunctions()
	if n == 0 || s.Cluster.ControlPlane != "" {
		return ""
	}
	if s.Cluster.Scaling.Min > 0 {
		return "cluster.scaling keeps sandboxes of every function: those of workload.rps that are to be cold are warm"
	}
	gap := float64(n) / float64(m.ColdShare) / float64(m.Rate) // seconds
	fixed, ok := s.Cluster.KeepAlive.With.(policy.FixedTime)
	if !ok || fixed.For != cluster.Unlimited && fixed.For.Seconds() < gap {
		return ""
	}
	return fmt.Sprintf("cluster.keep-alive, %s, is no less than the %.6g s between two invocations of a cold function of workload.rps: it stays warm; lower keep-alive, or raise cooldown", s.Cluster.KeepAlive, gap)
}
