// The default ids are hashes of absolute paths.
module.exports = {
  optimization: { moduleIds: 'natural', chunkIds: 'natural' },
  module: { rules: [{ test: /base\.css$/, enforce: 'pre', use: require.resolve('./minify-css.js') }] }
};
