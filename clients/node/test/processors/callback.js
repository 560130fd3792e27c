"use strict";

module.exports = function(log, done) {
    done(null, {n: log.body.n + 1});
};
