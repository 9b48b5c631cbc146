package functions

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"microcosm/functions/proto/aespb"
	"microcosm/functions/proto/compressionpb"
	"microcosm/functions/proto/imagerotatepb"
)

// checkSlept wants no less than what was asked for; how much longer it took is what
// is measured.
func checkSlept(_ Runtime, q *aespb.PlainTextMessage, p *aespb.ReturnEncryptionInfo) error {
	want, err := time.ParseDuration(q.GetPlaintextMessage())
	if err != nil {
		want = 50 * time.Millisecond
	}
	got, err := time.ParseDuration(p.GetEncryptionInfo())
	if err != nil {
		return err
	}
	if got < want {
		return fmt.Errorf("slept %v: want at least %v", got, want)
	}
	return nil
}

// checkSpun sums the squares below n at once: (n-1)n(2n-1)/6.
func checkSpun(_ Runtime, q *aespb.PlainTextMessage, p *aespb.ReturnEncryptionInfo) error {
	n, err := strconv.ParseUint(q.GetPlaintextMessage(), 10, 31)
	if err != nil {
		n = 30_000_000
	}
	// Of two neighbours one is even, and one of the three factors is a multiple of
	// three, so dividing first is exact and the product is right modulo 2^64.
	a, b, c := n-1, n, 2*n-1
	if n == 0 {
		a, b, c = 0, 0, 0
	}
	if a%2 == 0 {
		a /= 2
	} else {
		b /= 2
	}
	switch {
	case a%3 == 0:
		a /= 3
	case b%3 == 0:
		b /= 3
	default:
		c /= 3
	}
	took, sum, found := strings.Cut(p.GetEncryptionInfo(), " | sum: ")
	if !found {
		return fmt.Errorf("no sum in %s", abridged(p.GetEncryptionInfo()))
	}
	if _, err := time.ParseDuration(took); err != nil {
		return err
	}
	return equal(sum, strconv.FormatUint(a*b*c, 10))
}

//go:embed compression/*.txt
var texts embed.FS

var compressed = regexp.MustCompile(` to: ([1-9][0-9]*) back: `)

// checkCompression wants the text back, and less than two thirds of it when
// compressed: how much less is zlib's matter.
func checkCompression(_ Runtime, q *compressionpb.SendFile, p *compressionpb.GetCompressedFile) error {
	name := q.GetName()
	if name == "" || name == "World" {
		name = "prose.txt"
	}
	file, at, _ := strings.Cut(name, "@")
	text, err := texts.ReadFile("compression/" + file)
	if err != nil {
		return err
	}
	begin := 0
	if at != "" {
		if begin, err = strconv.Atoi(at); err != nil || begin < 0 {
			return fmt.Errorf("file %q has no right reply", name)
		}
	}
	begin %= len(text)
	sum := sha256.New()
	sum.Write(text[begin:]) //nolint:errcheck // a hash never fails
	sum.Write(text[:begin]) //nolint:errcheck // as above
	found := compressed.FindStringSubmatch(p.GetMessage())
	if found == nil {
		return fmt.Errorf("no size in %s", abridged(p.GetMessage()))
	}
	if size, err := strconv.Atoi(found[1]); err != nil || size >= len(text)*2/3 {
		return fmt.Errorf("%d bytes compressed to %s: want less than two thirds", len(text), found[1])
	}
	return equal(p.GetMessage(), fmt.Sprintf("fn: CompressFile | file: %s | message: python.compression.%s | from: %d to: %s back: %x | runtime: Python",
		name, name, len(text), found[1], sum.Sum(nil)))
}

// turned are the pixels of the images after their rotation: width, height and the
// CRC-32 of the RGBA bytes. A simulated guest has no time to compute them.
var turned = map[string]string{
	"default-2.jpg": "size: 360x480 crc32: 00126405",
	"default-3.jpg": "size: 360x480 crc32: 238d9a8b",
	"default-4.jpg": "size: 360x480 crc32: bfb17031",
	"default.jpg":   "size: 360x480 crc32: e16c409c",
	"medium-1.jpg":  "size: 768x1024 crc32: 3dc4fe33",
	"medium-2.jpg":  "size: 768x1024 crc32: 67d37b16",
	"small-1.jpg":   "size: 160x240 crc32: 0920bb8a",
	"small-2.jpg":   "size: 160x240 crc32: 9f96fab2",
	"small-3.jpg":   "size: 160x240 crc32: 00947b10",
}

var encoded = regexp.MustCompile(` bytes: ([1-9][0-9]*) \|`)

func checkRotated(_ Runtime, q *imagerotatepb.SendImage, p *imagerotatepb.GetRotatedImage) error {
	name := q.GetName()
	if name == "" {
		name = "default.jpg"
	}
	pixels, ok := turned[name]
	if !ok {
		return fmt.Errorf("image %q has no right reply", name)
	}
	found := encoded.FindStringSubmatch(p.GetMessage())
	if found == nil {
		return fmt.Errorf("no size in %s", abridged(p.GetMessage()))
	}
	return equal(p.GetMessage(), fmt.Sprintf("fn: ImageRotate | image: %s | return msg: go.image_rotate.%s | %s bytes: %s | runtime: Go", name, name, pixels, found[1]))
}
