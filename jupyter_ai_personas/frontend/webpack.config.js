// The default ids are hashes of absolute paths.
module.exports = { optimization: { moduleIds: 'natural', chunkIds: 'natural' } };
