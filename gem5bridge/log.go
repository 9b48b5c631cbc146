package gem5bridge

import (
	"context"
	"io"
	"log/slog"
	"slices"

	"github.com/hashicorp/go-hclog"
)

// pluginLog is go-plugin's logger: everything it says, the lines of the
// plugin's standard error included, is for developers. What a user must know
// comes as an error or as a Log event.
func pluginLog(log *slog.Logger) hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "plugin", Level: hclog.Trace, Output: io.Discard})
	logger.RegisterSink(slogSink{log})
	return logger
}

// slogSink passes hclog's records on to slog.
type slogSink struct{ log *slog.Logger }

// Accept implements hclog.SinkAdapter.
func (s slogSink) Accept(name string, level hclog.Level, message string, args ...any) {
	s.log.Debug(message, append([]any{"logger", name, "severity", level.String()}, args...)...) //nolint:sloglint // the message is go-plugin's
}

// record passes a back end's log record on to slog.
func record(ctx context.Context, log *slog.Logger, r Log) {
	names := make([]string, 0, len(r.Attributes))
	for name := range r.Attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	attributes := make([]slog.Attr, 0, len(names))
	for _, name := range names {
		attributes = append(attributes, slog.String(name, r.Attributes[name]))
	}
	log.LogAttrs(ctx, r.Level, r.Message, attributes...) //nolint:sloglint // the message is the back end's
}
