#!/usr/bin/env node
import { program } from '../dist/cli/program.js';

process.exitCode = await program(process.argv.slice(2));
