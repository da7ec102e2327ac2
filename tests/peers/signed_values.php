<?php
// Signed values as apps in PHP make them by hand; printed for src/identity/app_session/signed/vectors.rs.
$key = 'new-secret-of-at-least-32-characters!';
$text = 'anna|1800003600';
echo 'PHP_FIELDS ', rawurlencode($text . '.' . hash_hmac('sha256', $text, $key)), "\n";
$json = base64_encode(json_encode(['user' => 'anna', 'at' => 1800000000, 'groups' => ['hr']]));
echo 'PHP_JSON ', rawurlencode($json . '--' . base64_encode(hash_hmac('sha512', $json, $key, true))), "\n";
echo 'PHP_TEXT ', rawurlencode('Jörg M:' . hash_hmac('sha1', 'Jörg M', $key)), "\n";
