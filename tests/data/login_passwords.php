<?php
// Makes login_passwords.json: what PHP itself stores for passwords, in each form that a WordPress site has.
// php tests/data/login_passwords.php > tests/data/login_passwords.json

const ITOA64 = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

// The portable hashes of Openwall's phpass: MD5 over and over, written six bits at a time.
function phpass(string $password, string $salt, int $log2): string {
    $hash = md5($salt . $password, true);
    for ($round = 0; $round < 1 << $log2; $round++) {
        $hash = md5($hash . $password, true);
    }
    $text = '';
    foreach (str_split($hash, 3) as $three) {
        $number = ord($three[0]) | ord($three[1] ?? "\0") << 8 | ord($three[2] ?? "\0") << 16;
        for ($digit = 0; $digit <= strlen($three); $digit++) {
            $text .= ITOA64[$number >> 6 * $digit & 63];
        }
    }
    return '$P$' . ITOA64[$log2] . $salt . $text;
}

$passwords = [
    " \t\n\r\0\x0bspaces  around \x0b\0\r\n\t ",
    str_repeat('0123456789', 10),
    "g\u{e9}heim & s\u{fc}\u{df} \u{5bc6}\u{7801} \u{1f511}",
    "before\0after",
    'Kq3vZ)8w!mT&2hX(pL$7',
];
$vectors = [];
foreach ($passwords as $password) {
    $trimmed = trim($password);
    $vectors[] = [
        'password' => $password,
        'wordpress' => '$wp' . password_hash(base64_encode(hash_hmac('sha384', $trimmed, 'wp-sha384', true)), PASSWORD_BCRYPT, ['cost' => 5]),
        // PHP refuses to make one of a NUL.
        'bcrypt' => str_contains($trimmed, "\0") ? null : password_hash($trimmed, PASSWORD_BCRYPT, ['cost' => 5]),
        'phpass' => phpass($trimmed, 'Abc./019', 13),
        'md5' => md5($trimmed),
    ];
}
echo json_encode($vectors, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES), "\n";
