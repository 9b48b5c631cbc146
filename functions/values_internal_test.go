package functions

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"
)

// TestTheStreamIsSplitMix64: the values are those of the authors' program for the
// seed 1234567.
func TestTheStreamIsSplitMix64(t *testing.T) {
	t.Parallel()
	d := &dice{state: 1234567}
	for _, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		require.Equal(t, want, d.next())
	}
}

func TestStreamsOfDifferentCallsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[uint64]string{}
	for _, seed := range []uint64{0, 1, golden} {
		for _, class := range []string{"", "default", "defaulu"} {
			for n := range 50 {
				first := newDice(seed, class, n).next()
				require.Empty(t, seen[first], "%d %q %d", seed, class, n)
				seen[first] = class + "."
			}
		}
	}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := &dice{state: rapid.Uint64().Draw(t, "state")}
		lo := rapid.Int64().Draw(t, "lo")
		hi := rapid.Int64Min(lo).Draw(t, "hi")
		got := d.between(lo, hi)
		require.GreaterOrEqual(t, got, lo)
		require.LessOrEqual(t, got, hi)
		x := d.fraction()
		require.GreaterOrEqual(t, x, 0.0)
		require.Less(t, x, 1.0)
	})
	d := &dice{state: 9}
	require.EqualValues(t, 5, d.between(5, 5))
	ends := map[int64]bool{}
	for range 200 {
		ends[d.between(-1, 1)] = true
		d.between(math.MinInt64, math.MaxInt64) // the whole range has no span
	}
	require.Len(t, ends, 3, "both ends are drawn")
	text := d.letters(5000)
	require.Len(t, text, 5000)
	for _, letter := range alphabet {
		require.Contains(t, text, string(letter))
	}
	require.Empty(t, strings.Trim(text, alphabet))
}

// fieldOf is the field "value" of one of the wrappers, one for each kind.
func fieldOf(m proto.Message) protoreflect.FieldDescriptor {
	return m.ProtoReflect().Descriptor().Fields().ByName("value")
}

func TestLiterals(t *testing.T) {
	t.Parallel()
	kind := (&descriptorpb.FieldDescriptorProto{}).ProtoReflect().Descriptor().Fields().ByName("type")
	options := (&descriptorpb.FieldDescriptorProto{}).ProtoReflect().Descriptor().Fields().ByName("options")
	for _, c := range []struct {
		fd   protoreflect.FieldDescriptor
		text string
		want any // nil: refused
	}{
		{fieldOf(&wrapperspb.StringValue{}), "", ""},
		{fieldOf(&wrapperspb.StringValue{}), "1 and more", "1 and more"},
		{fieldOf(&wrapperspb.BytesValue{}), "\x00a", []byte("\x00a")},
		{fieldOf(&wrapperspb.BoolValue{}), "true", true},
		{fieldOf(&wrapperspb.BoolValue{}), "yes", nil},
		{fieldOf(&wrapperspb.Int32Value{}), "-2147483648", int32(math.MinInt32)},
		{fieldOf(&wrapperspb.Int32Value{}), "2147483648", nil},
		{fieldOf(&wrapperspb.Int64Value{}), "-9223372036854775808", int64(math.MinInt64)},
		{fieldOf(&wrapperspb.Int64Value{}), "1.0", nil},
		{fieldOf(&wrapperspb.UInt32Value{}), "4294967295", uint32(math.MaxUint32)},
		{fieldOf(&wrapperspb.UInt32Value{}), "-1", nil},
		{fieldOf(&wrapperspb.UInt64Value{}), "18446744073709551615", uint64(math.MaxUint64)},
		{fieldOf(&wrapperspb.UInt64Value{}), "18446744073709551616", nil},
		{fieldOf(&wrapperspb.FloatValue{}), "0.1", float32(.1)},
		{fieldOf(&wrapperspb.FloatValue{}), "1e39", nil},
		{fieldOf(&wrapperspb.DoubleValue{}), "1e39", 1e39},
		{fieldOf(&wrapperspb.DoubleValue{}), "much", nil},
		{kind, "TYPE_BOOL", descriptorpb.FieldDescriptorProto_TYPE_BOOL.Number()},
		{kind, "TYPE_DATE", nil},
		{options, "packed", nil},
	} {
		got, err := literal(c.text, c.fd)
		if c.want == nil {
			require.ErrorContains(t, err, map[bool]string{true: "want a mapping", false: c.text}[c.fd == options], "%s %q", c.fd.Kind(), c.text)
			continue
		}
		require.NoError(t, err, "%s %q", c.fd.Kind(), c.text)
		require.Equal(t, c.want, got.Interface(), "%s %q", c.fd.Kind(), c.text)
	}
}

func TestPathsIntoMessages(t *testing.T) {
	t.Parallel()
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("höhe.proto"), Dependency: []string{"a", "b"},
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("First")},
			{Name: proto.String("Second"), Field: []*descriptorpb.FieldDescriptorProto{
				{Name: proto.String("x"), Number: proto.Int32(7), Type: descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum()},
			}},
		},
	}
	for path, c := range map[string]struct {
		text   string
		length int
	}{
		"name":                          {"höhe.proto", 10}, // characters, not bytes
		"dependency":                    {"", 2},
		"dependency.1":                  {"b", 1},
		"message_type.1.name":           {"Second", 6},
		"message_type.1.field":          {"", 1},
		"message_type.1.field.0.type":   {"TYPE_BYTES", 0},
		"message_type.1.field.0.number": {"7", 1},
		"package":                       {"", 0}, // not set
		"options.java_package":          {"", 0}, // of a message that is not set
	} {
		require.NoError(t, exists(file.ProtoReflect().Descriptor(), strings.Split(path, ".")), path)
		text, length, err := lookup(file.ProtoReflect(), strings.Split(path, "."))
		require.NoError(t, err, path)
		require.Equal(t, c.text, text, path)
		require.Equal(t, c.length, length, path)
	}
	for path, want := range map[string]string{
		"nam":                  `no field "nam": did you mean name?`,
		"dependency.x":         "want the number of an element",
		"dependency.-1":        "want the number of an element",
		"name.first":           `"first" is not a message`,
		"dependency.0.first":   `"first" is not a message`,
		"message_type.0.titel": `DescriptorProto has no field "titel"`,
	} {
		require.ErrorContains(t, exists(file.ProtoReflect().Descriptor(), strings.Split(path, ".")), want, path)
	}
	_, _, err := lookup(file.ProtoReflect(), []string{"dependency", "2"})
	require.EqualError(t, err, "no element 2 among 2")
}

func TestWhereTwoTextsPart(t *testing.T) {
	t.Parallel()
	require.EqualError(t, differs("abc", "abd"), `differs from byte 2 on: got "abc", want "abd" (3 and 3 bytes)`)
	require.EqualError(t, differs("", "a"), `differs from byte 0 on: got "", want "a" (0 and 1 bytes)`)
	long := strings.Repeat("x", 1000)
	err := differs(long+"a"+long, long+"b"+long)
	require.ErrorContains(t, err, "differs from byte 1000 on")
	require.ErrorContains(t, err, `got "xxxxxxxxxxxxxxxxax`)
	require.Less(t, len(err.Error()), 300, "however long the texts are")
	require.Equal(t, `"`+strings.Repeat("y", 64)+`"`, abridged(strings.Repeat("y", 64)))
	require.Equal(t, `"`+strings.Repeat("y", 64)+`"…`, abridged(strings.Repeat("y", 65)))
}

// TestDecodingIsStrict: a reply with a field that its type does not have is wrong.
func TestDecodingIsStrict(t *testing.T) {
	t.Parallel()
	data, err := proto.Marshal(wrapperspb.String("a"))
	require.NoError(t, err)
	require.NoError(t, decode(data, &wrapperspb.StringValue{}))
	require.ErrorContains(t, decode(append(data, 0x10, 1), &wrapperspb.StringValue{}), "2 bytes of fields that google.protobuf.StringValue does not have")
	require.ErrorContains(t, decode(data[:2], &wrapperspb.StringValue{}), "decode")
}
