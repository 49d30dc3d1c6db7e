// Builds the layers of this directory: one tar, once as eStargz and once as zstd:chunked.
package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/containerd/stargz-snapshotter/estargz/zstdchunked"
	"github.com/klauspost/compress/zstd"
)

func main() {
	files := []struct{ name, content string }{
		{"etc/", ""}, {"var/", ""}, {"var/lib/", ""}, {"var/lib/dpkg/", ""}, {"bin/", ""}, {"srv/", ""},
		{"etc/os-release", "ID=debian\nVERSION_ID=12\n"},
		{"var/lib/dpkg/status", "Package: bash\nStatus: install ok installed\nVersion: 5.2\nArchitecture: amd64\n"},
		{"bin/bash", "\x7fELF"},
		{"srv/large", string(bytes.Repeat([]byte("0123456789abcdef"), 4096))},
	}
	var layer bytes.Buffer
	writer := tar.NewWriter(&layer)
	for _, file := range files {
		header := &tar.Header{Name: file.name, Mode: 0o755, Size: int64(len(file.content)), Typeflag: tar.TypeReg}
		if strings.HasSuffix(file.name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := writer.WriteHeader(header); err != nil {
			log.Fatal(err)
		}
		if _, err := writer.Write([]byte(file.content)); err != nil {
			log.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		log.Fatal(err)
	}
	build(layer.Bytes(), "estargz", estargz.WithPrioritizedFiles([]string{"bin/bash"}))
	metadata := map[string]string{}
	chunked := struct {
		*zstdchunked.Compressor
		*zstdchunked.Decompressor
	}{
		&zstdchunked.Compressor{CompressionLevel: zstd.SpeedDefault, Metadata: metadata},
		&zstdchunked.Decompressor{},
	}
	build(layer.Bytes(), "zstd-chunked", estargz.WithCompression(chunked))
}

func build(layer []byte, name string, options ...estargz.Option) {
	options = append(options, estargz.WithChunkSize(16<<10))
	blob, err := estargz.Build(io.NewSectionReader(bytes.NewReader(layer), 0, int64(len(layer))), options...)
	if err != nil {
		log.Fatal(err)
	}
	bytes, err := io.ReadAll(blob)
	if err != nil {
		log.Fatal(err)
	}
	if err := blob.Close(); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(name, bytes, 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Println(name, len(bytes), blob.DiffID(), blob.TOCDigest())
}
