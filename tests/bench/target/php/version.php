<?php
// SPDX-License-Identifier: GPL-3.0-or-later
require '/var/www/html/wp-includes/version.php';
echo $wp_version;
