"use strict";

// The processor of the pipeline, as the original's README has it.
module.exports = function(log, done) {
    done(null, {myIncrementedNumber: log.body.myNumber + 1});
};
