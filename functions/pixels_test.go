package functions_test

import (
	"fmt"
	"hash/crc32"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"microcosm/functions"
	pb "microcosm/functions/proto/imagerotatepb"
)

// The check of a rotated image compares with a table; here its entries are computed,
// pixel by pixel.
func TestTheTableOfRotatedImages(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("image-rotate/images/*.jpg")
	require.NoError(t, err)
	require.Len(t, files, 9)
	pixels := map[string]string{}
	for _, name := range files {
		file, err := os.Open(name)
		require.NoError(t, err)
		source, err := jpeg.Decode(file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		sum, size := crc32.NewIEEE(), source.Bounds().Size()
		for y := range size.X {
			for x := range size.Y {
				p := color.RGBAModel.Convert(source.At(size.X-1-y, x)).(color.RGBA)
				sum.Write([]byte{p.R, p.G, p.B, p.A})
			}
		}
		pixels[filepath.Base(name)] = fmt.Sprintf("size: %dx%d crc32: %08x", size.Y, size.X, sum.Sum32())
	}
	f := lookup(t, "image-rotate")
	seen := map[string]bool{}
	for _, class := range f.Classes() {
		for n := range 60 {
			call, err := f.Call(class, 1, n)
			require.NoError(t, err)
			var q pb.SendImage
			require.NoError(t, proto.Unmarshal(call.Request, &q))
			seen[q.GetName()] = true
			reply := func(pixels string) []byte {
				return encode(t, &pb.GetRotatedImage{Message: fmt.Sprintf(
					"fn: ImageRotate | image: %s | return msg: go.image_rotate.%s | %s bytes: 1234 | runtime: Go", q.GetName(), q.GetName(), pixels)})
			}
			require.NoError(t, call.Check(reply(pixels[q.GetName()])), q.GetName())
			require.ErrorIs(t, call.Check(reply("size: 1x1 crc32: 00000000")), functions.ErrWrongReply)
		}
	}
	require.Len(t, seen, len(files), "every image is asked for")
}
