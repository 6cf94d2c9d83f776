<?php
// WordPress's HTTP functions, as far as the docs page's samples need them: over PHP's own streams.

function wp_remote_request( $url, $args ) {
    $lines = array();
    foreach ( $args['headers'] as $name => $value ) {
        $lines[] = "$name: $value";
    }
    $options = array(
        'method'        => $args['method'],
        'header'        => $lines,
        'content'       => $args['body'] ?? '',
        'ignore_errors' => true,
    );
    $body = file_get_contents( $url, false, stream_context_create( array( 'http' => $options ) ) );
    return array( 'body' => $body );
}

function wp_json_encode( $value ) {
    return json_encode( $value );
}

function is_wp_error( $response ) {
    return false === $response['body'];
}

function wp_remote_retrieve_body( $response ) {
    return $response['body'];
}
