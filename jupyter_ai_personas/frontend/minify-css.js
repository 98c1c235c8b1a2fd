// A loader: the builder puts style sheets into the bundle as they are.
const { transformSync } = require('esbuild');

module.exports = css => transformSync(css, { loader: 'css', minify: true }).code;
