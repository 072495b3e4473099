package compose

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
)

// copyTries is how often a file is read anew that changed its length meanwhile:
// the engine's archive then ends in the middle.
const copyTries = 3

// ReadFile returns a regular file of a container, running or not, volumes
// included; a longer one than limit is an error. A path that is not there, and a
// container that is not, is [ErrNotFound].
func (c *Client) ReadFile(ctx context.Context, id, path string, limit int64) ([]byte, error) {
	ctx, cancel := within(ctx, actTimeout)
	defer cancel()
	var err error
	for range copyTries {
		var data []byte
		if data, err = c.readFile(ctx, id, path, limit); err == nil || ctx.Err() != nil {
			return data, err
		}
		if _, gone := err.(*engineError); gone { //nolint:errorlint // the engine's answer as such, not one deep inside
			return nil, err
		}
	}
	return nil, err
}

func (c *Client) readFile(ctx context.Context, id, path string, limit int64) ([]byte, error) {
	doing := "read " + path + " of container " + shortID(id)
	archive, _, err := c.api.CopyFromContainer(ctx, id, path)
	if err != nil {
		return nil, c.wrap(doing, err)
	}
	defer func() { _ = archive.Close() }() // read, or given up
	files := tar.NewReader(archive)
	header, err := files.Next()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if header.Typeflag != tar.TypeReg || header.Size > limit {
		return nil, fmt.Errorf("%s: not a regular file of at most %d bytes", doing, limit)
	}
	data, err := io.ReadAll(files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return data, nil
}
